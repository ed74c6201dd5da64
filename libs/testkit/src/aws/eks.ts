import type { AwsAccounts, AwsPrincipal } from './accounts.ts';
import { accessAction, answerAccess } from './eks-access.ts';
import type { EksCluster, EksPlace, EksState } from './eks-state.ts';
import { type SignedRequest, verifySignature } from './signature.ts';

/** An answer of EKS. */
export interface EksReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined for an empty one. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

/** A question as EKS understands it. */
interface Question extends EksPlace {
  readonly action: string;
  readonly cluster: string | undefined;
  readonly query: URLSearchParams;
  /** In the path of what is about an access entry. */
  readonly principalArn?: string;
  readonly body?: Readonly<Record<string, unknown>>;
}

interface EksDeps {
  readonly eks: EksState;
  readonly accounts: AwsAccounts;
  readonly clock: () => Date;
}

const maxPage = 100;

/** How EKS names what STS and S3 say about a signature. */
const signatureFaults: Readonly<Record<string, string>> = {
  InvalidClientTokenId: 'UnrecognizedClientException',
  ExpiredToken: 'ExpiredTokenException',
  SignatureDoesNotMatch: 'InvalidSignatureException',
  IncompleteSignature: 'IncompleteSignatureException',
  MissingAuthenticationToken: 'MissingAuthenticationTokenException',
};

/**
 * Answers as EKS does. All regions have one address here, so that the one a request is signed for is the one that is asked; the
 * account is the signer's.
 */
export function answerAsEks(request: SignedRequest, { eks, accounts, clock }: EksDeps): EksReply {
  const signer = verifySignature(request, {
    keys: accounts.keys,
    service: 'eks',
    region: undefined,
    at: clock(),
  });
  const region = regionOf(request.headers['authorization'] ?? '');
  if ('code' in signer) {
    const reply = refusal(403, signatureFaults[signer.code] ?? signer.code, 'the signature is not believed');
    eks.calls.push({ action: '', account: '', region, status: reply.status, by: '' });
    return reply;
  }
  const by = accounts.ownerOf(signer);
  const question = questionOf(request, { account: by.account, region });
  const reply = question
    ? answer(question, by, { eks, accounts })
    : refusal(404, 'UnknownOperationException', 'there is no such operation here');
  const { action = '', cluster } = question ?? {};
  eks.calls.push({ action, account: by.account, region, cluster, status: reply.status, by: by.arn });
  return reply;
}

function questionOf({ method, target, body }: SignedRequest, place: EksPlace): Question | undefined {
  const { pathname, searchParams: query } = new URL(target, 'http://eks');
  const [, root, name, ...rest] = pathname.split('/');
  if (root === 'clusters' && name !== undefined && rest.length > 0) {
    const access = accessAction(method, rest);
    return access && { ...place, ...access, cluster: name, query, body: body === '' ? {} : JSON.parse(body) };
  }
  if (method !== 'GET' || root !== 'clusters') return undefined;
  if (name === undefined) return { ...place, action: 'ListClusters', cluster: undefined, query };
  return { ...place, action: 'DescribeCluster', cluster: decodeURIComponent(name), query };
}

function answer(
  question: Question,
  by: AwsPrincipal,
  { eks, accounts }: Pick<EksDeps, 'eks' | 'accounts'>,
): EksReply {
  const { action, account, region, cluster, principalArn = '', body } = question;
  if (eks.disabledRegions.has(`${account}/${region}`))
    return refusal(
      403,
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
    );
  if (eks.denies(by, question)) {
    const on = `arn:aws:eks:${region}:${account}:cluster/${cluster ?? '*'}`;
    const message = `User: ${by.arn} is not authorized to perform: eks:${action} on resource: ${on}`;
    return refusal(403, 'AccessDeniedException', message);
  }
  if (eks.loses && eks.misbehave({ ...question, status: 500, by: by.arn }))
    return refusal(500, 'ServerException', 'this was not done');
  if (cluster !== undefined && body) {
    const told = answerAccess({ account, region, cluster, action, principalArn, body }, eks, accounts);
    return 'body' in told ? ok(told.body) : refusal(told.status, told.code, told.message);
  }
  return cluster === undefined ? list(question, eks) : describe(question, cluster, eks);
}

function list(question: Question, eks: EksState): EksReply {
  const { query } = question;
  const size = Number(query.get('maxResults') ?? maxPage);
  if (!(size >= 1 && size <= maxPage))
    return refusal(400, 'InvalidParameterException', 'maxResults must be between 1 and 100');
  const names = eks.clustersOf(question).map(({ name }) => name);
  const from = placeOf(query.get('nextToken'), question);
  if (from === undefined) return refusal(400, 'InvalidParameterException', 'Error decoding nextToken');
  const clusters = names.filter((name) => name > from).slice(0, Math.min(size, eks.pageSize));
  const isLast = clusters.length === 0 || clusters.at(-1) === names.at(-1);
  return ok({ clusters, nextToken: isLast ? null : tokenOf(clusters.at(-1)!, question) });
}

/** Like AWS's, a token is of one place, and names are added and deleted between two pages. */
function tokenOf(last: string, { account, region }: EksPlace): string {
  return Buffer.from(JSON.stringify([account, region, last])).toString('base64url');
}

function placeOf(token: string | null, { account, region }: EksPlace): string | undefined {
  if (token === null) return '';
  try {
    const [ofAccount, ofRegion, last] = JSON.parse(Buffer.from(token, 'base64url').toString()) as string[];
    return ofAccount === account && ofRegion === region ? last : undefined;
  } catch {
    return undefined;
  }
}

function describe(place: EksPlace, name: string, eks: EksState): EksReply {
  const found = eks.clustersOf(place).find((cluster) => cluster.name === name);
  if (!found) return refusal(404, 'ResourceNotFoundException', `No cluster found for name: ${name}.`);
  return ok({ cluster: shown(found, place) });
}

function shown(cluster: EksCluster, { account, region }: EksPlace): Record<string, unknown> {
  const { name, status = 'ACTIVE', tags = {}, authenticationMode = 'API_AND_CONFIG_MAP' } = cluster;
  return {
    name,
    arn: `arn:aws:eks:${region}:${account}:cluster/${name}`,
    createdAt: 1_800_000_000.123,
    version: '1.35',
    platformVersion: 'eks.7',
    roleArn: `arn:aws:iam::${account}:role/eks-control-plane`,
    status,
    endpoint: cluster.endpoint ?? `https://${'0123456789ABCDEF'.repeat(2)}.gr7.${region}.eks.amazonaws.com`,
    certificateAuthority: { data: cluster.certificateAuthority ?? 'LS0tLS1CRUdJTg==' },
    resourcesVpcConfig: {
      endpointPublicAccess: cluster.endpointPublicAccess ?? true,
      endpointPrivateAccess: true,
      publicAccessCidrs: ['0.0.0.0/0'],
    },
    accessConfig: { authenticationMode },
    tags,
  };
}

function ok(body: EksReply['body']): EksReply {
  return { status: 200, headers: { 'content-type': 'application/json' }, body };
}

function refusal(status: number, code: string, message: string): EksReply {
  const headers = { 'content-type': 'application/json', 'x-amzn-errortype': code };
  return { status, headers, body: { message } };
}

function regionOf(authorization: string): string {
  return /Credential=[^/]+\/\d+\/([^/]+)\//.exec(authorization)?.[1] ?? '';
}
