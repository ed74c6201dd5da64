import {
  AwsMalformed,
  AwsThrottled,
  AwsTimedOut,
  AwsUnavailable,
  type InstanceFacts,
  openEc2,
} from '@postern/aws';
import { type Clock, messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { Circuits, StsUnavailable } from '../iam/circuit.ts';
import { Turns } from '../iam/turns.ts';
import { ProofRefused } from '../method.ts';
import type { InstanceIdentity } from './identity-document.ts';

/** What asks EC2 about instances. */
export interface Instances extends AsyncDisposable {
  /**
   * Throws `ProofRefused` unless the instance is there and runs, as EC2 of its region says to whoever has assumed the role; with why
   * it could not be asked where that is a matter of permissions, and `StsUnavailable` where AWS cannot say now.
   */
  requireRunning(instance: Asked, context: AskContext): Promise<void>;
}

type Asked = Pick<InstanceIdentity, 'accountId' | 'instanceId' | 'region'>;

interface AskContext {
  /** ARN of the role that a rule names. */
  readonly role: string;
  /** Whom the question is for, so that one address cannot have all turns. */
  readonly sourceIp: string;
}

/** How EC2 is asked. */
export interface InstancesOptions {
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'log'>;
  /** Variables of AWS, as the SDKs know them. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds for all of a question, with the role. */
  readonly timeoutMs?: number;
}

const limits = { atOnce: 16, perAddress: 8, maxWaiting: 1_000, patienceMs: 5_000 };
const mayPass = [AwsThrottled, AwsTimedOut, AwsUnavailable, AwsMalformed];

/** Opens the way to EC2. Nothing is sent before somebody joins by a rule with a role. */
export function openInstances({ clock, telemetry, env, timeoutMs = 10_000 }: InstancesOptions): Instances {
  const ec2 = openEc2({ env, clock, session: 'postern-join', timeoutMs: timeoutMs / 2 });
  const turns = new Turns(limits);
  const circuits = new Circuits(clock);
  const ask = async ({ region, instanceId }: Asked, { role, sourceIp }: AskContext) => {
    const report = circuits.enter(`ec2 ${region} ${role}`, sourceIp);
    try {
      const found = await inTime(
        (signal) => ec2.describeInstance({ region, role: { arn: role } }, instanceId, signal),
        timeoutMs,
      );
      report('answered');
      return found;
    } catch (error) {
      const isPassing = mayPass.some((failure) => failure.is(error));
      report(isPassing ? 'failed' : 'answered');
      if (!isPassing)
        throw ProofRefused.from(error, `failed to get the state of the instance: ${messageOf(error)}`);
      telemetry.log.warn('EC2 did not answer as it should', { region, role, reason: messageOf(error) });
      throw StsUnavailable.from(error);
    }
  };
  return {
    requireRunning: async (instance, context) => {
      const found = await turns.run(context.sourceIp, () => ask(instance, context));
      const reason = whyNotRunning(instance, found);
      if (reason !== undefined) throw ProofRefused(`${reason} (asked as ${context.role})`);
    },
    [Symbol.asyncDispose]: () => ec2[Symbol.asyncDispose](),
  };
}

function whyNotRunning({ instanceId, accountId, region }: Asked, found: InstanceFacts | undefined) {
  if (!found) return `failed to get the state of the instance: EC2 knows no ${instanceId} in ${region}`;
  if (found.account !== accountId) return `the instance ${instanceId} is of the account ${found.account}`;
  if (found.state !== 'running') return `the instance ${instanceId} is not running: it is ${found.state}`;
  return undefined;
}

/** Credentials come from places that take their time. */
async function inTime<T>(ask: (signal: AbortSignal) => Promise<T>, timeoutMs: number): Promise<T> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () => reject(AwsTimedOut('ec2:DescribeInstances', 'its region'));
  deadline.addEventListener('abort', late, { once: true });
  try {
    return await Promise.race([ask(deadline), promise]);
  } finally {
    deadline.removeEventListener('abort', late);
  }
}
