import type { Clock } from '@postern/core';
import { type Authority, type PrincipalType, readCertificate } from '@postern/identity';
import type { RotationState } from '../rotation/rotation.ts';
import type { AuthorityRow } from './authority-rows.ts';

/** The certificate authorities of a cluster as of one moment. Bundles are PEM. */
export interface Authorities {
  readonly clusterName: string;
  /** Counts the changes of who is trusted and who certifies. */
  readonly revision: number;
  readonly rotation: RotationState;
  /** Which authority certifies whom. */
  readonly issuers: Readonly<Record<PrincipalType, Authority>>;
  /** Pins of the authorities of `issuers` that a rotation would replace. */
  readonly standing: Readonly<Record<Authority['use'], Authority>>;
  readonly hostCa: string;
  readonly userCa: string;
  /** What servers send behind their certificates. */
  readonly hostChain: string;
  /** Host authorities that are trusted no more and whose successor is known by their signature. */
  readonly formerHostCa: string;
  /** Those that are trusted and whose keys are held, of the use host. */
  readonly hostSigners: readonly Authority[];
  /** Pin of the first host authority: it never changes, so that names can be derived from it. */
  readonly origin: string;
}

/** What the authorities follow from. */
export interface AuthorityFacts {
  readonly rows: readonly AuthorityRow[];
  readonly rotation: RotationState;
  readonly revision: number;
  /** Those that can sign, by pin. */
  readonly opened: ReadonlyMap<string, Authority>;
  readonly clock: Clock;
}

const candidateCertifiesClients: readonly string[] = ['update_clients', 'update_servers'];

/** Who is trusted and who certifies in this phase. Undefined where a key is missing that the phase needs: the rows are newer. */
export function authoritiesFrom(facts: AuthorityFacts): Authorities | undefined {
  const { rotation, rows, revision } = facts;
  const { phase } = rotation;
  const host = ofUse(facts, 'host');
  const user = ofUse(facts, 'user');
  if (!host || !user) return undefined;
  const clients = candidateCertifiesClients.includes(phase);
  const person = (clients && user.candidate) || user.standing;
  return {
    clusterName: host.standing.clusterName,
    revision,
    rotation,
    issuers: {
      agent: (clients && host.candidate) || host.standing,
      svc: (phase === 'update_servers' && host.candidate) || host.standing,
      user: person,
      bot: person,
    },
    standing: { host: host.standing, user: user.standing },
    hostCa: bundleOf(host),
    userCa: bundleOf(user),
    ...successionOf(facts, host),
    hostSigners: host.candidate ? [host.candidate, host.standing] : [host.standing],
    origin: rows.find(({ use }) => use === 'host')!.pin,
  };
}

interface OfUse {
  readonly standing: Authority;
  readonly candidate: Authority | undefined;
}

function ofUse({ rows, rotation, opened }: AuthorityFacts, use: Authority['use']): OfUse | undefined {
  const first = rows.find((row) => row.use === use)?.pin;
  const standing = opened.get(rotation.standing[use] ?? first ?? '');
  const pin = rotation.current?.candidates[use]?.pin;
  const candidate = pin === undefined ? undefined : opened.get(pin);
  return standing && (pin === undefined || candidate) ? { standing, candidate } : undefined;
}

function bundleOf({ standing, candidate }: OfUse): string {
  return standing.certificate + (candidate?.certificate ?? '');
}

/** Only one step back is known: a successor certifies nobody but leaves. Both parts end with the certificate that makes the step. */
function successionOf(
  { rows, clock }: AuthorityFacts,
  { standing, candidate }: OfUse,
): Pick<Authorities, 'hostChain' | 'formerHostCa'> {
  const trusted = [standing, ...(candidate ? [candidate] : [])].map(({ certificate }) => certificate);
  const chains = rows
    .filter(({ certificate, chain }) => chain !== null && trusted.includes(certificate))
    .map(({ chain }) => chain!)
    .filter((chain) => readCertificate(chain).validToDate > clock());
  const former = rows.filter(
    ({ use, certificate, retired_at }) =>
      use === 'host' &&
      retired_at !== null &&
      chains.some((chain) => readCertificate(chain).checkIssued(readCertificate(certificate))),
  );
  return { hostChain: chains.join(''), formerHostCa: former.map(({ certificate }) => certificate).join('') };
}
