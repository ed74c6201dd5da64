import type { AwsAccounts, AwsPrincipal } from './accounts.ts';
import type { Misbehaviour } from './misbehaviour.ts';
import { type SignedRequest, verifySignature } from './signature.ts';

/** An instance of EC2. */
export interface Ec2Instance {
  readonly account: string;
  readonly region: string;
  readonly id: string;
  /** `running` where absent. */
  readonly state?: 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped';
}

/** A request that EC2 got, and how it would have answered. */
export interface Ec2Call {
  /** Empty where the signature was not believed. */
  readonly action: string;
  readonly region: string;
  readonly status: number;
  /** ARN of the signer. */
  readonly by: string;
}

/** What a little EC2 knows, what it was asked, and how it is to misbehave. */
export class Ec2State {
  readonly instances: Ec2Instance[] = [];
  /** Every request so far. */
  readonly calls: Ec2Call[] = [];
  /** The policies: who may not describe instances. Nobody sees another account anyway. */
  denies: (by: AwsPrincipal) => boolean = () => false;
  /** How requests are answered instead of rightly. */
  misbehave: Misbehaviour | undefined;
}

interface Ec2Deps {
  readonly ec2: Ec2State;
  readonly accounts: AwsAccounts;
  readonly clock: () => Date;
}

/** An answer of EC2, in XML as all of them. */
export interface Ec2Reply {
  readonly status: number;
  readonly body: string;
}

/** Answers as EC2 does. All regions have one address here, so that the one a request is signed for is the one that is asked. */
export function answerAsEc2(request: SignedRequest, { ec2, accounts, clock }: Ec2Deps): Ec2Reply {
  const region = /Credential=[^/]+\/\d+\/([^/]+)\//.exec(request.headers['authorization'] ?? '')?.[1] ?? '';
  const signer = verifySignature(request, {
    keys: accounts.keys,
    service: 'ec2',
    region: undefined,
    at: clock(),
  });
  if ('code' in signer) {
    const reply = refusal(signer.status, signer.code === 'ExpiredToken' ? 'RequestExpired' : 'AuthFailure');
    ec2.calls.push({ action: '', region, status: reply.status, by: '' });
    return reply;
  }
  const by = accounts.ownerOf(signer);
  const parameters = new URLSearchParams(request.body);
  const action = parameters.get('Action') ?? '';
  const reply =
    action === 'DescribeInstances'
      ? describe(ec2, parameters, { by, region })
      : refusal(400, 'InvalidAction');
  ec2.calls.push({ action, region, status: reply.status, by: by.arn });
  return reply;
}

function describe(
  ec2: Ec2State,
  parameters: URLSearchParams,
  { by, region }: { readonly by: AwsPrincipal; readonly region: string },
): Ec2Reply {
  if (ec2.denies(by)) return refusal(403, 'UnauthorizedOperation');
  const id = parameters.get('InstanceId.1');
  const found = ec2.instances.filter(
    (each) => each.account === by.account && each.region === region && each.id === id,
  );
  if (found.length === 0) return refusal(400, 'InvalidInstanceID.NotFound');
  const items = found.map(
    (each) =>
      `<item><reservationId>r-1</reservationId><ownerId>${each.account}</ownerId><groupSet/><instancesSet><item><instanceId>${each.id}</instanceId><instanceState><code>16</code><name>${each.state ?? 'running'}</name></instanceState><tagSet><item><key>Name</key><value>a &amp; b</value></item></tagSet></item></instancesSet></item>`,
  );
  const set = `<requestId>1</requestId><reservationSet>${items.join('')}</reservationSet>`;
  return {
    status: 200,
    body: written(`DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"`, set),
  };
}

function refusal(status: number, code: string): Ec2Reply {
  const error = `<Error><Code>${code}</Code><Message>${code} was the matter</Message></Error>`;
  return { status, body: written('Response', `<Errors>${error}</Errors><RequestID>1</RequestID>`) };
}

function written(tag: string, inner: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${tag}>${inner}</${tag.split(' ')[0]}>`;
}
