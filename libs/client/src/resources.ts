import { AppError, failure, isPlainObject, sha256Hex, uuidv7 } from '@postern/core';
import type { Transport } from './transport.ts';

/** An answer that lacks what the API promises. */
export const UnreadableAnswer = failure(
  'internal',
  'client.unreadable_answer',
  (what: string) =>
    `the proxy's answer about ${what} could not be read: are the client and the server of the same version?`,
);

/** A resource as it is written in files. */
export interface ResourceDocument {
  readonly kind: string;
  readonly sub_kind?: string;
  readonly version: string;
  readonly metadata: {
    readonly name: string;
    readonly description?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly expires?: string;
    readonly revision?: string;
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** What a write did. */
export interface Written {
  readonly created: boolean;
  readonly resource: ResourceDocument;
}

/** How resources are read. */
interface ReadOptions {
  /** Return secret fields too, for which a further right is needed. */
  readonly withSecrets?: boolean;
}

/** How a resource is replaced. */
interface PutOptions {
  /** Replace only this revision; another one is a conflict. */
  readonly revision?: string;
}

/** The resources of the cluster. Kinds are canonical and singular: `kube_cluster`. */
export interface ResourcesApi {
  list(kind: string, options?: ReadOptions): Promise<ResourceDocument[]>;
  get(kind: string, name: string, options?: ReadOptions): Promise<ResourceDocument>;
  create(document: ResourceDocument): Promise<Written>;
  put(document: ResourceDocument, options?: PutOptions): Promise<Written>;
  delete(kind: string, name: string): Promise<void>;
}

/** Calls to resource-svc through a transport. Each command gets one id, which its retries repeat. */
export function resourcesApi(transport: () => Promise<Transport>): ResourcesApi {
  const send: Transport['send'] = async (call) => (await transport()).send(call);
  const create: ResourcesApi['create'] = async (document) => {
    const { body } = await send({
      method: 'POST',
      path: pathOf(document.kind),
      body: document,
      headers: commandId(),
    });
    return { created: true, resource: documentOf(body, document.kind) };
  };
  const replace: ResourcesApi['put'] = async (document, options) => {
    const path = pathOf(document.kind, document.metadata.name);
    const headers = { ...commandId(), ...(options?.revision ? { 'if-match': `"${options.revision}"` } : {}) };
    const { status, body } = await send({ method: 'PUT', path, body: document, headers });
    return { created: status === 201, resource: documentOf(body, document.kind) };
  };
  return {
    create,
    async list(kind, options) {
      const { body } = await send({ method: 'GET', path: pathOf(kind, undefined, options) });
      return documentsOf(body, kind);
    },
    async get(kind, name, options) {
      const { body } = await send({ method: 'GET', path: pathOf(kind, name, options) });
      return documentOf(body, kind);
    },
    async put(document, options) {
      if (document.kind !== secretlyNamed || options?.revision !== undefined)
        return replace(document, options);
      // A new one cannot be addressed by its digest, so it is created by a request without its name in the URL.
      return create(document).catch((error: unknown) => {
        if (error instanceof AppError && error.kind === 'already_exists') return replace(document);
        throw error;
      });
    },
    async delete(kind, name) {
      await send({ method: 'DELETE', path: pathOf(kind, name), headers: commandId() });
    },
  };
}

function commandId(): Record<string, string> {
  return { 'postern-command-id': uuidv7() };
}

/** The kind whose name may be the secret itself. */
const secretlyNamed = 'token';

/** A name as part of a path. URLs end up in logs, so a token is addressed by the SHA-256 of its name, unless it is masked. */
export function nameInPath(kind: string, name: string): string {
  return kind === secretlyNamed && !name.startsWith('*') ? sha256Hex(name) : encodeURIComponent(name);
}

function pathOf(kind: string, name?: string, options?: ReadOptions): string {
  const tail = name === undefined ? '' : `/${nameInPath(kind, name)}`;
  return `/v1/resources/${encodeURIComponent(kind)}${tail}${options?.withSecrets ? '?withSecrets=true' : ''}`;
}

function documentsOf(body: unknown, kind: string): ResourceDocument[] {
  const items = isPlainObject(body) ? body['resources'] : body;
  if (!Array.isArray(items)) throw UnreadableAnswer(kind);
  return items.map((item) => documentOf(item, kind));
}

/** The answer as a document. */
export function documentOf(body: unknown, kind: string): ResourceDocument {
  const isDocument =
    isPlainObject(body) && typeof body['kind'] === 'string' && isPlainObject(body['metadata']);
  if (!isDocument || typeof (body['metadata'] as { name?: unknown }).name !== 'string')
    throw UnreadableAnswer(kind);
  return body as unknown as ResourceDocument;
}
