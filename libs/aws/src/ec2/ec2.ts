import type { Clock } from '@postern/core';
import { openAwsLine } from '../call/call-aws.ts';
import { AwsCredentialsExpired, AwsMalformed, AwsRefused } from '../call/refusals.ts';
import { type ActingAs, openIdentities } from '../identity/identities.ts';
import type { Environment } from '../region.ts';
import { MalformedXml, readXml } from '../xml/read-xml.ts';
import { ec2Endpoint } from './ec2-endpoint.ts';
import { type InstanceFacts, readInstances } from './read-instance.ts';

/** EC2 of any region, asked in a role. */
export interface Ec2 extends AsyncDisposable {
  /** What is known of an instance in the account that asks; undefined where it has none of that id. */
  describeInstance(
    as: ActingAs,
    instanceId: string,
    signal?: AbortSignal,
  ): Promise<InstanceFacts | undefined>;
}

/** How EC2 is asked. */
export interface Ec2Options {
  readonly env: Environment;
  readonly clock: Clock;
  /** Name of the sessions of roles, as CloudTrail shows it. */
  readonly session: string;
  /** For one request, until the end of its answer; 5 seconds where absent. */
  readonly timeoutMs?: number;
}

const action = 'ec2:DescribeInstances';

/** Opens EC2 (https://docs.aws.amazon.com/AWSEC2/latest/APIReference). Nothing is sent yet. */
export function openEc2({ env, clock, session, timeoutMs = 5_000 }: Ec2Options): Ec2 {
  const line = openAwsLine(env, clock, timeoutMs);
  const identities = openIdentities({ env, clock, line, session });

  const ask = async (as: ActingAs, instanceId: string, signal?: AbortSignal): Promise<string> => {
    const parameters = { Action: 'DescribeInstances', Version: '2016-11-15', 'InstanceId.1': instanceId };
    const request = {
      action,
      where: placeOf(as),
      service: 'ec2',
      region: as.region,
      endpoint: ec2Endpoint(env, as.region),
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(parameters).toString(),
      signal,
    } as const;
    try {
      return await line.callForXml(request, await identities.credentials(as));
    } catch (error) {
      if (!AwsCredentialsExpired.is(error)) throw error;
      // Sessions are revoked before what is kept of them ends.
      identities.forget(as);
      return line.callForXml(request, await identities.credentials(as));
    }
  };

  return {
    async describeInstance(as, instanceId, signal) {
      const text = await ask(as, instanceId, signal).catch((error: unknown) => {
        if (AwsRefused.is(error) && /InvalidInstanceID\.NotFound/.test(error.message)) return undefined;
        throw error;
      });
      if (text === undefined) return undefined;
      const found = readFound(text);
      if (!found || found.some((each) => each.instanceId !== instanceId) || found.length > 1)
        throw AwsMalformed(action, placeOf(as), 'it does not describe the instance that was asked about');
      return found[0];
    },
    [Symbol.asyncDispose]: () => line[Symbol.asyncDispose](),
  };
}

function readFound(text: string): readonly InstanceFacts[] | undefined {
  try {
    return readInstances(readXml(text));
  } catch (error) {
    if (error instanceof MalformedXml) return undefined;
    throw error;
  }
}

function placeOf({ role, region }: ActingAs): string {
  return role ? `${region} (role ${role.arn})` : region;
}
