import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AwsAccounts } from './accounts.ts';
import { answerAsEc2, Ec2State } from './ec2.ts';
import { answerAsEks } from './eks.ts';
import { EksState } from './eks-state.ts';
import { answerAsIam, IamState } from './iam.ts';
import { answerAsInstanceMetadata, credentialsDocument, type Instance } from './instance-metadata.ts';
import { type Misbehaviour } from './misbehaviour.ts';
import { answerAsS3, S3State } from './s3.ts';
import type { SignedRequest } from './signature.ts';
import { answerAsSts, formatAnswer } from './sts.ts';
import type { KeySet } from './web-identity.ts';

/** A request that STS got, and how it answered. */
export interface StsCall extends SignedRequest {
  readonly action: string;
  readonly status: number;
}

/** A little AWS on this machine, which believes signatures as the real one does and may be told to misbehave. */
export interface AwsRig extends AsyncDisposable {
  readonly stsUrl: string;
  /** An S3 that takes buckets in paths. */
  readonly s3Url: string;
  readonly s3: S3State;
  /** For `AWS_ENDPOINT_URL_EKS`: the EKS of every region. */
  readonly eksUrl: string;
  readonly eks: EksState;
  /** For `AWS_ENDPOINT_URL_EC2`: the EC2 of every region. */
  readonly ec2Url: string;
  readonly ec2: Ec2State;
  readonly iamUrl: string;
  readonly iam: IamState;
  /** Instance metadata, for `AWS_EC2_METADATA_SERVICE_ENDPOINT`. */
  readonly metadataUrl: string;
  /** For `AWS_CONTAINER_CREDENTIALS_FULL_URI`: the credentials of the instance's role, to a container. */
  readonly containerCredentialsUrl: string;
  readonly accounts: AwsAccounts;
  readonly issuers: Map<string, KeySet>;
  readonly instance: Instance;
  /** Every request to STS so far. */
  readonly stsCalls: StsCall[];
  /** How the next requests to STS are answered; then how all of them are, where `always` is set. */
  readonly next: Misbehaviour[];
  always: Misbehaviour | undefined;
  clock: () => Date;
}

/** Starts a little AWS on loopback. */
export async function startAws(): Promise<AwsRig> {
  await using scope = new AsyncDisposableStack();
  const rig = {
    accounts: new AwsAccounts(),
    issuers: new Map<string, KeySet>(),
    instance: { documents: new Map<string, string>() } as Instance,
    s3: new S3State(),
    eks: new EksState(),
    ec2: new Ec2State(),
    iam: new IamState(),
    stsCalls: [] as StsCall[],
    next: [] as Misbehaviour[],
    always: undefined as Misbehaviour | undefined,
    clock: () => new Date(),
  };
  const answerSts = async (request: IncomingMessage, response: ServerResponse) => {
    const asked = await read(request);
    const answer = answerAsSts(asked, rig);
    rig.stsCalls.push({ ...asked, action: answer.action, status: answer.status });
    const { type, text } = formatAnswer(answer, asked.headers['accept']);
    const misbehave = rig.next.shift() ?? rig.always;
    if (misbehave) misbehave(response, text);
    else response.writeHead(answer.status, { 'content-type': type }).end(text);
  };
  const stsUrl = await listen(scope, (request, response) => void answerSts(request, response));
  const metadataUrl = await listen(scope, (request, response) => {
    const { key } = rig.instance.role ?? {};
    if (request.url === '/container' && key)
      return void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(credentialsDocument(key)));
    answerAsInstanceMetadata(request, response, rig.instance);
  });
  const s3Url = await listen(scope, (request, response) => void answerS3(request, response, rig));
  const ec2Url = await listen(scope, (request, response) => void answerEc2(request, response, rig));
  const eksUrl = await listen(scope, (request, response) => void answerEks(request, response, rig));
  const iamUrl = await listen(scope, (request, response) => void answerIam(request, response, rig));
  const open = scope.move();
  return Object.assign(rig, {
    stsUrl,
    ec2Url,
    eksUrl,
    s3Url,
    iamUrl,
    metadataUrl,
    containerCredentialsUrl: `${metadataUrl}/container`,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  });
}

async function answerS3(
  request: IncomingMessage,
  response: ServerResponse,
  { s3, accounts: { keys }, clock }: Pick<AwsRig, 'accounts' | 'clock' | 's3'>,
): Promise<void> {
  const asked = { ...headOf(request), body: Buffer.concat(await request.toArray()) };
  const { status, headers, body } = answerAsS3(asked, s3, { keys, at: clock() });
  response.writeHead(status, headers).end(body);
}

async function answerEc2(
  request: IncomingMessage,
  response: ServerResponse,
  state: Pick<AwsRig, 'accounts' | 'clock' | 'ec2'>,
): Promise<void> {
  const { status, body } = answerAsEc2(await read(request), state);
  const { misbehave } = state.ec2;
  if (misbehave) misbehave(response, body);
  else response.writeHead(status, { 'content-type': 'text/xml;charset=UTF-8' }).end(body);
}

async function answerEks(
  request: IncomingMessage,
  response: ServerResponse,
  state: Pick<AwsRig, 'accounts' | 'clock' | 'eks'>,
): Promise<void> {
  const { status, headers, body } = answerAsEks(await read(request), state);
  const text = body === undefined ? '' : JSON.stringify(body);
  const misbehave = state.eks.misbehave(state.eks.calls.at(-1)!);
  if (misbehave) misbehave(response, text);
  else response.writeHead(status, headers).end(text);
}

async function answerIam(
  request: IncomingMessage,
  response: ServerResponse,
  { iam, accounts, clock }: Pick<AwsRig, 'accounts' | 'clock' | 'iam'>,
): Promise<void> {
  const { status, type, text } = answerAsIam(await read(request), { iam, accounts, at: clock() });
  response.writeHead(status, { 'content-type': type }).end(text);
}

async function listen(scope: AsyncDisposableStack, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function read(request: IncomingMessage): Promise<SignedRequest> {
  return { ...headOf(request), body: Buffer.concat(await request.toArray()).toString('utf8') };
}

function headOf(request: IncomingMessage): Omit<SignedRequest, 'body'> {
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  return { method: request.method ?? '', target: request.url ?? '', headers };
}
