import { type Link, openLink } from './link.ts';

/** Whose way to which server. */
export type LinkName = `${string}>${'postgres' | 'nats'}`;

/** The network between each process and the servers: a link of its own for each way, so that one alone can break. */
export class Links implements AsyncDisposable {
  readonly #links = new Map<LinkName, Link[]>();

  /** Opens the ways of one process. */
  async open(
    name: string,
    to: { readonly postgres?: number; readonly nats: readonly number[] },
  ): Promise<void> {
    if (to.postgres !== undefined) this.#links.set(`${name}>postgres`, [await openLink(to.postgres)]);
    this.#links.set(`${name}>nats`, await Promise.all(to.nats.map(openLink)));
  }

  get names(): LinkName[] {
    return [...this.#links.keys()];
  }

  ports(name: LinkName): number[] {
    return this.#of(name).map((link) => link.port);
  }

  set(name: LinkName, state: Parameters<Link['set']>[0]): void {
    for (const link of this.#of(name)) link.set(state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#links.values()].flat().map((link) => link[Symbol.asyncDispose]()));
  }

  #of(name: LinkName): readonly Link[] {
    const links = this.#links.get(name);
    if (!links) throw new Error(`there is no link ${name}`);
    return links;
  }
}
