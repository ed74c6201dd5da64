import type { Api, ResourceDocument } from '@postern/client';
import { AppError } from '@postern/core';
import { orNotFound } from './not-found.ts';

const attempts = 5;

/**
 * Reads a resource, changes it and writes it back, unless it changed in between: then it is read again, so that no
 * change of somebody else is undone.
 */
export async function changeResource(
  api: Api,
  { kind, name }: { readonly kind: string; readonly name: string },
  change: (resource: ResourceDocument) => ResourceDocument,
): Promise<ResourceDocument> {
  for (let attempt = 1; ; attempt += 1) {
    const current = await orNotFound({ kind, name }, api.resources.get(kind, name));
    const { revision } = current.metadata;
    try {
      return (await api.resources.put(change(current), revision === undefined ? {} : { revision })).resource;
    } catch (error) {
      if (attempt === attempts || !(error instanceof AppError) || error.kind !== 'conflict') throw error;
    }
  }
}
