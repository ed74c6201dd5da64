import {
  AccessEntryExists,
  AwsDenied,
  type Eks,
  type EksAs,
  type EksClusterAccess,
  whyNoEksEndpoint,
} from '@postern/aws';
import { delay, failure, messageOf } from '@postern/core';
import {
  ApiServer,
  type ApiServerRules,
  ask,
  ensureAgentGroup,
  RightsInTheWay,
  RightsRefused,
} from '@postern/kube';
import { callerOf } from './caller.ts';
import { elevate, type Elevation, type ElevationDeps, endElevation, type Elevated } from './elevation.ts';
import { agentGroup, entryTags, purposeOf } from './entry-tags.ts';
import type { AccessOutcome, AccessState } from './outcome.ts';

export interface AccessDeps extends ElevationDeps {
  readonly eks: Pick<Eks, 'access' | 'accessTo' | 'token' | 'who'>;
  /** Where API servers may be. */
  readonly rules: ApiServerRules;
  /** Whether they may be on this very machine. */
  readonly allowLoopback: boolean;
  /** How an API server is waited for that does not know a new entry yet. */
  readonly settle: { readonly everyMs: number; readonly forMs: number };
}

/** The access of which role to which cluster. */
export interface AccessTarget {
  readonly as: EksAs;
  readonly cluster: string;
  /** The discovery group. */
  readonly group: string;
  /** `setup_access_for_arn` of the matcher; the role of this process where absent. */
  readonly principal: string | undefined;
}

/** An entry that makes this process administrator is there still. */
const ElevationLeft = failure(
  'unavailable',
  'discovery.elevation_left',
  (caller: string) =>
    `the temporary access entry of ${caller} could not be deleted, which is tried again: allow eks:DeleteAccessEntry`,
);

/** Which ClusterRole and ClusterRoleBinding are made in clusters. */
const rightsName = 'teleport';

/**
 * Lets the agents' role into a cluster: makes this process administrator for a moment, writes the rights of the agents' group,
 * ends that, and only then makes the access entry of the agents. Wherever that is broken off, whoever runs it again finds by the
 * tags of the entries what was begun, and ends it (compatibility.md 7.4). Never throws for what AWS or the cluster does.
 */
export async function setUpAccess(
  deps: AccessDeps,
  target: AccessTarget,
  signal?: AbortSignal,
): Promise<AccessOutcome> {
  try {
    return await new SetUp(deps, target, signal).run();
  } catch (error) {
    return outcomeOf(error);
  }
}

class SetUp {
  readonly #deps: AccessDeps;
  readonly #target: AccessTarget;
  /** When the process ends nothing more is begun; what was begun is ended. */
  readonly #signal: AbortSignal | undefined;

  constructor(deps: AccessDeps, target: AccessTarget, signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#deps = deps;
    this.#target = target;
  }

  async run(): Promise<AccessOutcome> {
    const { eks } = this.#deps;
    const { as, cluster } = this.#target;
    const found = await eks.accessTo(as, cluster);
    if (found === undefined) return not('failed', 'EKS knows no such cluster any more');
    if (typeof found === 'string') return not('failed', found);
    if (found.authenticationMode === 'CONFIG_MAP') return not('unsupported', configMapOnly);
    const why = whyNoEksEndpoint(found.endpoint, as.region, this.#deps);
    if (why !== undefined) return not('failed', why);
    const caller = await callerOf(eks, as);
    const agents = this.#target.principal ?? caller;
    const entry = await eks.access.describe(as, cluster, agents);
    const purpose = entry && purposeOf(entry);
    if (entry && purpose !== 'elevation') {
      if (entry.groups.includes(agentGroup)) return this.#isThere(caller);
      if (purpose === undefined) return not('in_the_way', foreignEntry(agents, entry.groups));
    }
    await this.#writeRights(found, caller);
    return this.#letIn(agents, purpose === 'kube-agents');
  }

  /** What is there already may have been made by a process that died before it ended its elevation. */
  async #isThere(caller: string): Promise<AccessOutcome> {
    const isEnded = await endElevation(this.#deps, this.#elevated(caller));
    return isEnded ? done(false) : not('failed', ElevationLeft(caller).message);
  }

  async #writeRights(found: EksClusterAccess, caller: string): Promise<void> {
    const server = this.#openServer(found);
    try {
      await server.credentials.refresh();
      await assertReachable(server);
      this.#signal?.throwIfAborted();
      await this.#asAdministrator(caller, server);
    } finally {
      await server[Symbol.asyncDispose]();
    }
  }

  /** Whatever happens, the elevation is ended, also one that was made and nobody told us. */
  async #asAdministrator(caller: string, server: ApiServer): Promise<void> {
    const elevated = this.#elevated(caller);
    let elevation: Elevation | undefined;
    const work = async () => {
      elevation = await elevate(this.#deps, elevated);
      if (elevation === 'busy') throw Busy(caller);
      if (elevation === 'elevated')
        await this.#deps.eks.access.makeAdmin(elevated.as, elevated.cluster, caller);
      await this.#ensureGroup(server, elevation === 'has_entry' ? caller : undefined);
    };
    const [worked] = await Promise.allSettled([work()]);
    const isOurs = elevation === undefined || elevation === 'elevated';
    // What cannot be ended now is found by its tags the next time.
    if (isOurs && !(await endElevation(this.#deps, elevated))) throw ElevationLeft(caller);
    if (worked.status === 'rejected') throw worked.reason;
  }

  /** An entry takes a while until API servers go by it. One that somebody else made will not become another. */
  async #ensureGroup(server: ApiServer, foreignCaller?: string): Promise<void> {
    const { everyMs, forMs } = this.#deps.settle;
    const until = performance.now() + (foreignCaller === undefined ? forMs : 0);
    for (;;) {
      try {
        return await ensureAgentGroup(server, { name: rightsName, group: agentGroup });
      } catch (error) {
        if (!RightsRefused.is(error) || this.#signal?.aborted) throw error;
        if (performance.now() >= until)
          throw foreignCaller === undefined ? error : NoRights.from(error, foreignCaller);
        await delay(everyMs);
        // API servers remember for a while whom a token was of.
        await server.credentials.refresh();
      }
    }
  }

  async #letIn(agents: string, isOurs: boolean): Promise<AccessOutcome> {
    const { access } = this.#deps.eks;
    const { as, cluster, group } = this.#target;
    const groups = [agentGroup];
    try {
      if (isOurs) await access.update(as, cluster, { principal: agents, groups });
      else {
        const tags = entryTags('kube-agents', group);
        await access.create(as, cluster, { principal: agents, groups, tags });
      }
    } catch (error) {
      if (!AccessEntryExists.is(error)) throw error;
      // It was made before its answer was lost, or by somebody else a moment ago.
      const there = await access.describe(as, cluster, agents);
      if (!there?.groups.includes(agentGroup)) throw error;
    }
    return done(true);
  }

  #elevated(caller: string): Elevated {
    const { as, cluster, group } = this.#target;
    return { as, cluster, group, caller };
  }

  #openServer({ endpoint, certificateAuthority }: EksClusterAccess): ApiServer {
    const { eks, rules, clock } = this.#deps;
    const { as, cluster } = this.#target;
    const credentials = async () => {
      const { token, goodUntil } = await eks.token(as, cluster);
      return { headers: ['authorization', `Bearer ${token}`], goodUntil };
    };
    return new ApiServer({ server: endpoint, ca: certificateAuthority, credentials }, rules, clock);
  }
}

/** It answers, whatever it answers: before anybody is made administrator of what cannot be reached. */
async function assertReachable(server: ApiServer): Promise<void> {
  try {
    await ask(server, { path: '/version' });
  } catch (error) {
    throw Unreachable.from(error, messageOf(error));
  }
}

const Unreachable = failure(
  'unavailable',
  'discovery.cluster_unreachable',
  (why: string) =>
    `its API server cannot be reached from here (${why}): run a member of the group where it can, or prepare access by hand, see tctl discovery aws-auth --help`,
);

const Busy = failure(
  'unavailable',
  'discovery.elevation_busy',
  (caller: string) => `another set-up uses ${caller} in this cluster at this moment; it is tried again`,
);

const NoRights = failure(
  'failed_precondition',
  'discovery.caller_has_no_rights',
  (caller: string) =>
    `the access entry of ${caller} is not ours and does not let it write roles: associate AmazonEKSClusterAdminPolicy with it, or delete it`,
);

const configMapOnly =
  'its authentication mode is CONFIG_MAP, which knows no access entries: change it to API_AND_CONFIG_MAP, or use tctl discovery aws-auth';

function foreignEntry(agents: string, groups: readonly string[]): string {
  const all = [...groups, agentGroup].join(' ');
  return `its access entry for ${agents} is not ours: add the group with aws eks update-access-entry --principal-arn ${agents} --kubernetes-groups ${all}`;
}

function done(isChanged: boolean): AccessOutcome {
  return { state: 'prepared', message: '', isChanged };
}

function not(state: AccessState, message: string): AccessOutcome {
  return { state, message, isChanged: false };
}

function outcomeOf(error: unknown): AccessOutcome {
  if (AwsDenied.is(error)) return not('denied', error.message);
  if (Unreachable.is(error)) return not('unreachable', error.message);
  if (NoRights.is(error) || RightsInTheWay.is(error) || AccessEntryExists.is(error))
    return not('in_the_way', error.message);
  return not('failed', messageOf(error));
}
