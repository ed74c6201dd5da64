import { echoPort, workspace } from '../streams/arrange-workload.ts';

/** One run of kubectl. `NS` in its arguments and input stands for the namespace of the side that runs it. */
export interface Operation {
  readonly args: readonly string[];
  readonly input?: string;
  /** Asks for what is there a moment after the operation before it: it is run until it succeeds. */
  readonly isAwaited?: boolean;
}

const shell = (script: string) => ['exec', 'box', '-n', workspace, '--', 'sh', '-c', script];
const work = ['-n', workspace] as const;

const lines = (text: string): Operation[] =>
  text
    .trim()
    .split('\n')
    .map((line) => ({ args: line.trim().split(' ') }));

/**
 * Operations that change nothing: both sides see the same objects. Not among them is `get --raw`, which takes the path of
 * a server's address away (ADR 12).
 */
export const readings: readonly Operation[] = [
  ...lines(`
version -o json
api-resources
api-resources --namespaced=true -o name
api-versions
explain pods.spec.containers
get namespaces
get nodes -o wide
get pods -n ${workspace}
get pods -n ${workspace} -o wide
get pods -n ${workspace} -o name
get pods -n ${workspace} -o json
get pods -n ${workspace} -o yaml
get pods -n ${workspace} -o jsonpath={.items[*].metadata.name}
get pods -n ${workspace} -o custom-columns=N:.metadata.name,P:.status.phase
get pods -n ${workspace} --show-labels
get pods -n ${workspace} --sort-by=.metadata.name
get pods -n ${workspace} --field-selector=metadata.name=box
get pods -n ${workspace} -l nothing=here
get pods -n ${workspace} --chunk-size=1
get pods,serviceaccounts -n ${workspace}
get all -n ${workspace}
get pod box -n ${workspace} -o json --show-managed-fields
get pod missing -n ${workspace}
get nonsense -n ${workspace}
get pods -A
get clusterroles --chunk-size=7 -o name
get crd
get apiservices
get events -n ${workspace} --field-selector=reason=Scheduled -o name
describe pod box -n ${workspace}
describe node --show-events=false
describe clusterrole view
logs box -n ${workspace} --limit-bytes=40
logs missing -n ${workspace}
logs box -n ${workspace} -c nothing
wait pod/box -n ${workspace} --for=condition=Ready --timeout=5s
wait pod/box -n ${workspace} --for=jsonpath={.status.phase}=Nothing --timeout=1s
top nodes
top nodes --no-headers
top node missing
top pods -n ${workspace}
top pods -n ${workspace} --containers
top pods -n ${workspace} -l nothing=here
top pods -A
top pod box -n ${workspace}
top pod missing -n ${workspace}
get nodes.metrics.k8s.io -o json
get pods.metrics.k8s.io -n ${workspace}
get pods.metrics.k8s.io -n ${workspace} -o yaml
get pods.metrics.k8s.io box -n ${workspace} --watch
delete pods.metrics.k8s.io box -n ${workspace}
cluster-info
auth can-i get pods -n ${workspace}
`),
  { args: shell('echo out; echo err >&2; exit 7') },
  { args: shell('exit 0') },
  { args: shell('kill -9 $$') },
  { args: shell('head -c 3000000 /dev/zero | sha256sum') },
  { args: shell('seq 1 50000') },
  { args: ['exec', 'box', ...work, '--', 'no-such-program'] },
  { args: ['exec', 'missing', ...work, '--', 'true'] },
  { args: ['exec', 'box', ...work, '-c', 'nothing', '--', 'true'] },
  { args: ['exec', '-i', 'box', ...work, '--', 'sha256sum'], input: 'a line\n'.repeat(50_000) },
  { args: ['port-forward', 'pod/missing', `:${echoPort}`, ...work] },
];

const deployment = (image: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: conform-web, namespace: NS}
spec:
  replicas: 1
  selector: {matchLabels: {app: conform-web}}
  template:
    metadata: {labels: {app: conform-web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: "${image}", imagePullPolicy: Never, command: [sleep, "3600"]}]
`;

const configMap = (value: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NS, labels: {part: conformance}}
data: {value: "${value}"}
`;

const crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NS.example.com}
spec:
  group: NS.example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`;

const widget = `
apiVersion: NS.example.com/v1
kind: Widget
metadata: {name: first, namespace: NS}
spec: {size: 3}
`;

/** Operations that change something, each in a namespace of its side and in this order. */
export const writings = (image: string): readonly Operation[] => [
  ...lines(`create namespace NS`),
  { args: ['create', '-f', '-'], input: configMap('created') },
  { args: ['create', '-f', '-'], input: configMap('twice') },
  { args: ['apply', '-f', '-'], input: configMap('applied') },
  { args: ['diff', '-f', '-'], input: configMap('applied') },
  { args: ['apply', '--server-side', '--force-conflicts', '-f', '-'], input: configMap('by the server') },
  { args: ['apply', '--server-side', '-f', '-', '--field-manager=other'], input: configMap('a conflict') },
  { args: ['replace', '-f', '-'], input: configMap('replaced') },
  { args: ['apply', '--dry-run=server', '-f', '-', '-o', 'yaml'], input: configMap('not really') },
  { args: ['patch', 'configmap', 'settings', '-n', 'NS', '-p', '{"data":{"a":"strategic"}}'] },
  { args: ['patch', 'configmap', 'settings', '-n', 'NS', '--type=merge', '-p', '{"data":{"b":"merge"}}'] },
  {
    args: [
      'patch',
      'configmap',
      'settings',
      '-n',
      'NS',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/data/a"}]',
    ],
  },
  ...lines(`
label configmap settings -n NS tier=back
label configmap settings -n NS tier=front
annotate configmap settings -n NS note=kept
get configmap settings -n NS -o json
create secret generic hidden -n NS --from-literal=key=value
get secret hidden -n NS -o yaml
create serviceaccount runner -n NS
create role reader -n NS --verb=get,list --resource=pods
create rolebinding readers -n NS --role=reader --serviceaccount=NS:runner
auth can-i list pods -n NS
create quota few -n NS --hard=pods=20
create job conform-once -n NS --image=${image} -- true
get job conform-once -n NS -o name
delete job conform-once -n NS
delete quota few -n NS`),
  { args: ['apply', '-f', '-'], input: deployment(image) },
  ...lines(`
rollout status deployment/conform-web -n NS --timeout=60s
get deployment,replicaset,pods -n NS -l app=conform-web
set env deployment/conform-web -n NS COLOUR=blue
rollout status deployment/conform-web -n NS --timeout=60s
rollout history deployment/conform-web -n NS
rollout undo deployment/conform-web -n NS
rollout status deployment/conform-web -n NS --timeout=60s
rollout restart deployment/conform-web -n NS
rollout status deployment/conform-web -n NS --timeout=60s
scale deployment/conform-web -n NS --replicas=2
wait deployment/conform-web -n NS --for=condition=Available --timeout=60s
expose deployment conform-web -n NS --port=80
get service conform-web -n NS -o name
autoscale deployment conform-web -n NS --min=1 --max=2
get hpa conform-web -n NS -o jsonpath={.spec.maxReplicas}
delete deployment,service,hpa conform-web -n NS`),
  { args: ['apply', '-f', '-'], input: crd },
  ...lines(`wait crd/widgets.NS.example.com --for=condition=Established --timeout=30s`),
  // A new kind is established before discovery and its schema tell of it.
  { args: ['get', 'widgets.NS.example.com', '-n', 'NS'], isAwaited: true },
  { args: ['apply', '-f', '-'], input: widget },
  ...lines(`
get widgets.NS.example.com -n NS
get widgets.NS.example.com -n NS -o yaml`),
  { args: ['explain', 'widgets.NS.example.com'], isAwaited: true },
  ...lines(`
delete widgets.NS.example.com --all -n NS
delete crd widgets.NS.example.com
delete configmap -l part=conformance -n NS
delete secret/hidden serviceaccount/runner role/reader rolebinding/readers -n NS
delete namespace NS --wait=false`),
];

/** An operation as one side runs it. */
export function inNamespace(operation: Operation, namespace: string): Operation {
  return replaced(operation, (text) => text.replaceAll(/\bNS\b/g, namespace));
}

/** An operation with its arguments and input changed. */
export function replaced({ args, input, ...more }: Operation, change: (text: string) => string): Operation {
  return { ...more, args: args.map(change), ...(input === undefined ? {} : { input: change(input) }) };
}
