import { Type, type Static } from 'typebox';
import { PublicResource } from '../resource/resource-events.ts';
import { WorkDelivery } from '../work/work-messages.ts';

/** Names of resources, in pages. */
const ResourceName = Type.String({ minLength: 1, maxLength: 253 });

/** Asks, in the course of a scan, which clusters its group knows of the scan's account and region. */
export const KnownClustersRequest = Type.Object({
  delivery: WorkDelivery,
  /** The last name of the page before; empty for the first one. */
  after: Type.String({ maxLength: 253 }),
});
export type KnownClustersRequest = Static<typeof KnownClustersRequest>;

/** A page of clusters by name. `next` is empty on the last one. */
export const KnownClustersPage = Type.Object({
  clusters: Type.Array(PublicResource),
  next: Type.String(),
});
export type KnownClustersPage = Static<typeof KnownClustersPage>;

/** A cluster that a scan found and that is not known as it is. Where it is follows from the scan. */
const FoundChange = Type.Object({
  type: Type.Literal('found'),
  /** The name that EKS knows it by. */
  cluster: Type.String({ pattern: '^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$' }),
  /** Pairs, for a key may be any text. */
  tags: Type.Array(Type.Tuple([Type.String({ maxLength: 512 }), Type.String({ maxLength: 1024 })]), {
    maxItems: 200,
  }),
});

/** A resource whose cluster a complete scan has not seen, or has seen under another name. */
const VanishedChange = Type.Object({ type: Type.Literal('vanished'), name: ResourceName });

export const DiscoveryChange = Type.Union([FoundChange, VanishedChange]);
export type DiscoveryChange = Static<typeof DiscoveryChange>;

/** What a scan comes to, as long as its delivery is held. */
export const DiscoveryChangesRequest = Type.Object({
  delivery: WorkDelivery,
  changes: Type.Array(DiscoveryChange, { minItems: 1, maxItems: 50 }),
});
export type DiscoveryChangesRequest = Static<typeof DiscoveryChangesRequest>;

/**
 * What became of a change. `released`: another matcher of the group still finds the cluster. `withheld`: so much of the group has
 * vanished at once that the next complete scan has to say so too. `taken`: the name belongs to something else, which `reason` tells.
 */
export const DiscoveryOutcome = Type.Object({
  name: Type.String(),
  outcome: Type.Union([
    Type.Literal('created'),
    Type.Literal('updated'),
    Type.Literal('unchanged'),
    Type.Literal('deleted'),
    Type.Literal('released'),
    Type.Literal('withheld'),
    Type.Literal('taken'),
    Type.Literal('refused'),
  ]),
  reason: Type.Optional(Type.String()),
});
export type DiscoveryOutcome = Static<typeof DiscoveryOutcome>;

/** One for each change, in their order. */
export const DiscoveryChangesReply = Type.Object({ outcomes: Type.Array(DiscoveryOutcome) });
export type DiscoveryChangesReply = Static<typeof DiscoveryChangesReply>;
