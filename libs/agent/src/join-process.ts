import { type Bus, type BusOptions, connectBus, inboxPrefix } from '@postern/bus';
import { publicBusPath, trustSubject } from '@postern/contracts';
import { delay, failure, messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import type { IdentityOptions } from './identity-options.ts';
import { IdentityEnded } from './join-client.ts';
import { type AgentIdentity, openIdentity } from './open-identity.ts';
import { Outbound } from './outbound/outbound.ts';
import { heldTls } from './trust-anchor.ts';

/** A process that joined: who it is, and the bus as it may use it. Closing it closes both. */
export interface JoinedProcess extends AsyncDisposable {
  readonly identity: AgentIdentity;
  readonly bus: Bus;
}

/** The control plane does not know the identity by which this process wanted to the bus. */
const IdentityUnknown = failure('unauthenticated', 'agent.identity_unknown', (why: string) => why);

/** What a service is told that runs in one process with others. */
export interface BesideOthers {
  /** Where the bus is inside the trusted network; others go where they are told when they join. */
  readonly busServers?: BusOptions['servers'] | undefined;
}

/** How to join and where the bus is. */
export interface ProcessOptions extends IdentityOptions, BesideOthers {
  readonly telemetry: Telemetry;
  /** Public addresses that lead here, `https://host:port`: a bus that is on the public address is looked for there. */
  readonly publicUrls?: readonly string[] | undefined;
}

/**
 * Joins the cluster and connects to the bus with the credential of that identity, whatever its latest renewal brought. Where the
 * bus does not let it in and the control plane does not know it either, the process joins anew, once.
 */
export async function joinProcess(options: ProcessOptions): Promise<JoinedProcess> {
  try {
    return await joinOnce(options);
  } catch (error) {
    if (!IdentityUnknown.is(error)) throw error;
    options.telemetry.log.warn('the control plane does not know this identity', { error: messageOf(error) });
    return joinOnce(options);
  }
}

async function joinOnce({ busServers, ...options }: ProcessOptions): Promise<JoinedProcess> {
  await using scope = new AsyncDisposableStack();
  const identity = scope.use(await openIdentity(options));
  const { jwt } = identity.bus;
  const credentials = () => ({ seed: identity.bus.seed, jwt: identity.bus.jwt ?? '' });
  const bus = scope.use(
    await connectBus({
      ...wayToBus(identity, busServers, options),
      name: identity.agentId,
      inboxPrefix: inboxPrefix(identity.agentId),
      telemetry: options.telemetry,
      ...(jwt === undefined ? {} : { creds: credentials }),
    }).catch((error: unknown) => explain(error, identity)),
  );
  if (jwt !== undefined) scope.defer(identity.onRenewed(() => void renewBus(bus, options)));
  scope.use(await followTrust(identity, bus));
  if (identity.lost.aborted) await explain(identity.lost.reason, identity);
  scope.use(checkWhileAway(identity, bus));
  const open = scope.move();
  return { identity, bus, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** The bus did not let us in: whether that is because of who we are, the control plane knows. */
async function explain(error: unknown, identity: AgentIdentity): Promise<never> {
  await identity.check();
  if (!identity.lost.aborted) throw error;
  const reason: unknown = identity.lost.reason;
  throw IdentityEnded.is(reason) ? reason : IdentityUnknown.from(reason, messageOf(reason));
}

/** What is told at once is known before anything is done by this identity; a control plane that takes its time is not waited for. */
const firstAnswerMs = 3_000;

/** Follows the trust as the bus tells of it. What was told before, or while the bus was away, is asked for. */
async function followTrust(
  identity: AgentIdentity,
  bus: Pick<Bus, 'subscribe' | 'onReconnect'>,
): Promise<Disposable> {
  const subscription = bus.subscribe(trustSubject, {}, (message) => identity.hearTrust(message.json()));
  const stop = bus.onReconnect(() => void identity.askTrust());
  const over = new AbortController();
  await Promise.race([identity.askTrust(), delay(firstAnswerMs, over.signal).catch(() => {})]);
  over.abort();
  return {
    [Symbol.dispose]: () => {
      stop();
      subscription.unsubscribe();
    },
  };
}

const checkEveryMs = 30_000;
/** A message may be lost on the way, or a credential be older than the right to hear it. */
const looksBetweenQuestions = 20;

/**
 * Asks whether the identity holds as long as the bus is away, which is what an identity that is not known any more looks like
 * from here: otherwise that would come out with the next renewal, hours later. Half a minute and more apart, with jitter.
 */
function checkWhileAway(identity: AgentIdentity, bus: Pick<Bus, 'isConnected'>): Disposable {
  let timer: NodeJS.Timeout;
  let looks = 0;
  const again = () => {
    timer = setTimeout(() => void look(), checkEveryMs * (1 + Math.random()));
    timer.unref();
  };
  const look = async () => {
    looks += 1;
    if (!bus.isConnected && !identity.lost.aborted) await identity.check();
    else if (looks % looksBetweenQuestions === 0) await identity.askTrust();
    again();
  };
  again();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

const connectTimeoutMs = 5000;

/**
 * The bus on a public address is behind the edge, which asks for our certificate and shows one of the host CA. Whoever was
 * configured with public addresses knows them better than the control plane, which may be behind a mapped port.
 */
function wayToBus(
  { held, bus }: AgentIdentity,
  busServers: BusOptions['servers'] | undefined,
  { publicUrls, outbound = new Outbound(), trust }: Omit<ProcessOptions, 'busServers'>,
): Pick<BusOptions, 'servers' | 'ca' | 'connector'> {
  const { servers, ca } = bus;
  if (busServers !== undefined || !servers.every(isPublic))
    return { servers: busServers ?? servers, ...(ca === undefined ? {} : { ca }) };
  const own = publicUrls?.map((url) => `wss://${new URL(url).host}${publicBusPath}`);
  return {
    servers: own ?? servers,
    connector: outbound.connector(() => heldTls(held, trust), connectTimeoutMs),
  };
}

function isPublic(server: string): boolean {
  const url = URL.parse(server);
  return url?.protocol === 'wss:' && url.pathname === publicBusPath;
}

/** The server would end the connection with the old credential, in the middle of whatever is going on then. */
async function renewBus(bus: Bus, { telemetry }: Pick<ProcessOptions, 'telemetry'>): Promise<void> {
  await bus
    .renewCredentials()
    .catch((error: unknown) =>
      telemetry.log.warn('the renewed bus credential is not in use yet', { error: messageOf(error) }),
    );
}
