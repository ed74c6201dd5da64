import { Fields, InvalidResource } from './fields.ts';

/** What every resource has besides its spec. */
export interface Metadata {
  readonly name: string;
  readonly description?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** RFC 3339, UTC. */
  readonly expires?: string;
  /** Opaque, for conditional updates. */
  readonly revision?: string;
}

/** A resource of any kind, complete: validated, defaults filled in. */
export interface Resource<Spec = Readonly<Record<string, unknown>>> {
  readonly kind: string;
  readonly sub_kind?: string;
  readonly version: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
}

/** A document whose envelope is checked and whose spec is still untrusted. */
export interface ResourceDocument {
  readonly kind: string;
  readonly sub_kind?: string;
  /** One of the kind's versions: the document's own, or the default where it names none. */
  readonly version: string;
  readonly metadata: Metadata;
  readonly spec: unknown;
}

/** What a normalisation may know besides the document. */
export interface KindContext {
  readonly now: Date;
}

/** How a kind is declared. */
export interface KindDeclaration<Spec> {
  /** Canonical singular name, as in documents and URLs. */
  readonly kind: string;
  readonly plural: string;
  /** Other names `tctl get` accepts. */
  readonly aliases?: readonly string[];
  readonly versions: readonly string[];
  /** The version of a document that names none. */
  readonly defaultVersion: string;
  /** Dotted paths of fields that are encrypted at rest and redacted, such as `spec.kubeconfig`. */
  readonly secretPaths?: readonly string[];
  /** Whether the name itself is a secret: it is stored and published as its SHA-256 only. */
  readonly secretName?: boolean;
  /** Validates the spec strictly (use `Fields`, end with `end()`) and fills in the defaults of the version. */
  normalize(doc: ResourceDocument, ctx: KindContext): Resource<Spec>;
  /** What about a resource is allowed and yet worth a second look, one sentence each. */
  warnings?(resource: Resource<Spec>): string[];
}

/** A resource kind. */
export interface Kind<Spec = unknown> {
  readonly kind: string;
  readonly plural: string;
  readonly aliases: readonly string[];
  readonly versions: readonly string[];
  readonly defaultVersion: string;
  readonly secretPaths: readonly string[];
  readonly secretName: boolean;
  /** An untrusted document as a complete resource, or InvalidResource. Idempotent: its own output passes unchanged. */
  normalize(doc: unknown, ctx: KindContext): Resource<Spec>;
  /** What about an untrusted document is allowed and yet worth a second look; a document that is refused has nothing of that. */
  warnings(doc: unknown, ctx: KindContext): string[];
}

/** Declares a resource kind, once. The envelope is checked here, the same for every kind. */
export function defineKind<Spec>(declaration: KindDeclaration<Spec>): Kind<Spec> {
  const normalize = (doc: unknown, ctx: KindContext) =>
    declaration.normalize(readEnvelope(doc, declaration), ctx);
  return {
    ...declaration,
    aliases: declaration.aliases ?? [],
    secretPaths: declaration.secretPaths ?? [],
    secretName: declaration.secretName ?? false,
    normalize,
    warnings: (doc, ctx) => warningsOf(declaration, () => normalize(doc, ctx)),
  };
}

function warningsOf<Spec>({ warnings }: KindDeclaration<Spec>, read: () => Resource<Spec>): string[] {
  if (!warnings) return [];
  try {
    return warnings(read());
  } catch (error) {
    if (InvalidResource.is(error)) return [];
    throw error;
  }
}

type Envelope = Pick<KindDeclaration<unknown>, 'kind' | 'versions' | 'defaultVersion'>;

function readEnvelope(untrusted: unknown, { kind, versions, defaultVersion }: Envelope): ResourceDocument {
  const doc = new Fields(untrusted, '');
  if (doc.string('kind') !== kind) throw InvalidResource(`kind must be "${kind}"`);
  const version = doc.string('version') || defaultVersion;
  if (!versions.includes(version)) {
    const quoted = JSON.stringify(version.slice(0, 40));
    throw InvalidResource(`${kind} version ${quoted} is not supported; supported: ${versions.join(', ')}`);
  }
  const subKind = doc.string('sub_kind');
  const metadata = readMetadata(doc.mapping('metadata') ?? new Fields({}, 'metadata'));
  const spec = doc.raw('spec');
  doc.ignore('status');
  doc.end();
  return { kind, ...(subKind ? { sub_kind: subKind } : {}), version, metadata, spec };
}

function readMetadata(fields: Fields): Metadata {
  const name = readName(fields.string('name'));
  const description = fields.string('description');
  const labels = readLabels(fields);
  const expires = fields.time('expires');
  const revision = fields.string('revision');
  // Older releases wrote `id` (larger than any integer type) and `namespace`; files that carry them must still apply.
  fields.ignore('id', 'namespace');
  fields.end();
  return {
    name,
    ...(description ? { description } : {}),
    ...(labels ? { labels } : {}),
    ...(expires ? { expires } : {}),
    ...(revision ? { revision } : {}),
  };
}

function readName(name: string | undefined): string {
  if (!name) throw InvalidResource('metadata.name is required');
  if (name.length > 253) throw InvalidResource('metadata.name is longer than 253 characters');
  if (
    /[\p{Cc}\p{Zl}\p{Zp}]/u.test(name) ||
    name.trim() !== name ||
    !name.isWellFormed() ||
    /^\.\.?$/.test(name)
  ) {
    throw InvalidResource('metadata.name must not hold control characters, outer blanks, or be "." or ".."');
  }
  return name;
}

function readLabels(fields: Fields): Record<string, string> | undefined {
  const labels = fields.stringMap('labels');
  for (const key of Object.keys(labels ?? {})) {
    if (!isLabelKey(key)) throw InvalidResource(`invalid label key: ${JSON.stringify(key.slice(0, 100))}`);
  }
  return labels;
}

/** Whether a text can be the key of a label. */
export function isLabelKey(key: string): boolean {
  return /^[a-zA-Z/.0-9_:*-]{1,253}$/.test(key);
}
