import type { Principal } from '@postern/identity';
import type { Static, TObject, TSchema } from 'typebox';

/** Methods an operation may have. */
export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What is known about a request besides its parts. */
export interface RequestInfo {
  /** From the edge's assertion, or made here: the same in the logs of both. */
  readonly id: string;
  readonly traceId: string;
  /** UUID of the command: the same for every retry that carries the same `Postern-Command-Id`, and for no other caller. */
  readonly commandId: string;
  readonly sourceIp: string;
  /** Raw and untrusted. Node joins what came twice. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What an access rule decides by. The body has not been read then. */
export interface AllowContext<Deps = unknown> {
  readonly deps: Deps;
  readonly principal: Principal;
  readonly params: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly request: RequestInfo;
}

/** An access rule of its own. `summary` is what docs/authorization.md says. */
export interface AllowRule<Deps = unknown> {
  (context: AllowContext<Deps>): boolean | Promise<boolean>;
  readonly summary: string;
}

/**
 * Who may call an operation. `public`: anyone, known or not. `authenticated`: any principal. `agent`: a joined process,
 * agent or service. `service`: a service of the control plane on its own connection, with nobody's assertion.
 */
export type Allow<Deps = unknown> = 'public' | 'authenticated' | 'agent' | 'service' | AllowRule<Deps>;

/** Makes an access rule. False refuses with 403; a rule may throw a refusal that says more. */
export function allowIf<Deps = unknown>(
  summary: string,
  decide: (context: AllowContext<Deps>) => boolean | Promise<boolean>,
): AllowRule<Deps> {
  return Object.assign((context: AllowContext<Deps>) => decide(context), { summary });
}

/** One call of an operation. */
export interface Call<P extends TObject, Q extends TObject, B extends TSchema, Caller> {
  readonly params: Static<P>;
  readonly query: Static<Q>;
  readonly body: Static<B>;
  readonly principal: Caller;
  readonly request: RequestInfo;
}

/** A reply with a status or headers of its own. */
export class Answer<Body> {
  readonly body: Body;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    body: Body,
    { status, headers = {} }: { status?: number; headers?: Readonly<Record<string, string>> } = {},
  ) {
    this.body = body;
    this.status = status;
    this.headers = headers;
  }
}

/** The declaration of an operation. A schema that says nothing about unknown fields refuses them. */
export interface RouteDeclaration<
  Deps,
  A extends Allow<Deps>,
  P extends TObject,
  Q extends TObject,
  B extends TSchema,
  R extends TSchema,
> {
  readonly method: HttpMethod;
  /** A path with `:name` parameters. */
  readonly url: string;
  readonly allow: A;
  readonly params?: P;
  /** Every value is a string: nothing is coerced. */
  readonly query?: Q;
  readonly body?: B;
  readonly reply?: R;
  /** Of a successful reply; 200, or 204 where there is nothing to say. */
  readonly status?: number;
  /** Bytes; the listener's limit where absent. */
  readonly bodyLimit?: number;
  handle(deps: Deps, call: Call<P, Q, B, CallerOf<A>>): Replied<R> | Promise<Replied<R>>;
}

type CallerOf<A> = A extends 'public' ? Principal | undefined : Principal;
type Replied<R extends TSchema> = Static<R> | Answer<Static<R>>;

/** An operation, ready to be mounted. */
export interface Route<Deps = unknown> {
  readonly method: HttpMethod;
  readonly url: string;
  readonly allow: Allow<Deps>;
  readonly params?: TObject;
  readonly query?: TObject;
  readonly body?: TSchema;
  readonly reply?: TSchema;
  readonly status?: number;
  readonly bodyLimit?: number;
  handle(deps: Deps, call: Call<TObject, TObject, TSchema, Principal | undefined>): unknown;
}

/**
 * Declares an HTTP operation, once: `route<Deps>()({ method, url, allow, …, handle })`. The types of `params`, `query` and
 * `body` come from the schemas; an operation without `allow` does not compile.
 */
export function route<Deps>(): <
  A extends Allow<Deps>,
  P extends TObject = TObject<{}>,
  Q extends TObject = TObject<{}>,
  B extends TSchema = TSchema,
  R extends TSchema = TSchema,
>(
  declaration: RouteDeclaration<Deps, A, P, Q, B, R>,
) => Route<Deps> {
  return (declaration) => declaration;
}

/** A row of docs/authorization.md. */
export interface RouteDescription {
  readonly method: HttpMethod;
  readonly url: string;
  readonly allow: string;
}

/** Who may call what, for the documents and for the test of the public operations. */
export function describeRoutes(routes: readonly Route<never>[]): RouteDescription[] {
  return routes.map(({ method, url, allow }) => ({
    method,
    url,
    allow: typeof allow === 'string' ? allow : allow.summary,
  }));
}
