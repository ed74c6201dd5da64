import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

/** A stand-in for an API server that has long lists of pods as real ones are, and gives them as fast as it can. */
const [portText, certFile, keyFile, caFile, ...counts] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  ...string[],
];

const podStatus = {
  phase: 'Running',
  conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
    type,
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: '2026-11-28T10:00:00Z',
  })),
  hostIP: '10.0.0.1',
  podIP: '10.1.0.1',
  startTime: '2026-11-28T10:00:00Z',
  containerStatuses: [
    { name: 'web', ready: true, restartCount: 0, image: 'web:1', imageID: '', started: true },
  ],
  qosClass: 'BestEffort',
};
const podSpec = {
  volumes: [
    { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }], defaultMode: 420 } },
  ],
  containers: [
    {
      name: 'web',
      image: 'web:1',
      ports: [{ containerPort: 80, protocol: 'TCP' }],
      resources: {},
      volumeMounts: [
        { name: 'token', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
      ],
      terminationMessagePath: '/dev/termination-log',
      imagePullPolicy: 'IfNotPresent',
    },
  ],
  restartPolicy: 'Always',
  serviceAccountName: 'default',
  nodeName: 'node-1',
  schedulerName: 'default-scheduler',
};
/** What server-side apply keeps: many short keys and brackets, the dearest kind of text to scan. */
const fieldsV1 = {
  'f:metadata': {
    'f:labels': { '.': {}, 'f:app': {} },
    'f:ownerReferences': { '.': {}, 'k:{"uid":"a"}': {} },
  },
  'f:spec': {
    'f:containers': {
      'k:{"name":"web"}': {
        '.': {},
        'f:image': {},
        'f:name': {},
        'f:ports': { '.': {}, 'k:{"containerPort":80}': {} },
      },
    },
    'f:restartPolicy': {},
    'f:schedulerName': {},
  },
};
const podNumber = (index: number) => ({
  metadata: {
    name: `web-${index}-7d4b9c6f5-x`,
    generateName: `web-${index}-7d4b9c6f5-`,
    namespace: 'default',
    uid: `0e3b3b5a-6c0d-4a0c-9e0a-${String(index).padStart(12, '0')}`,
    labels: { app: 'web', 'pod-template-hash': '7d4b9c6f5' },
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `web-${index}`, uid: 'a', controller: true },
    ],
    managedFields: [
      { manager: 'kubelet', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1 },
    ],
  },
  spec: podSpec,
  status: podStatus,
});
/** In pieces, for the text of a long list would be longer than strings may be. */
function listOf(count: number): Buffer {
  const head = '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[';
  const pods = Array.from({ length: count }, (_, index) =>
    Buffer.from(`${index === 0 ? head : ','}${JSON.stringify(podNumber(index))}`),
  );
  return Buffer.concat([...pods, Buffer.from(']}')]);
}
/** Of the namespaces `default` and `long`. */
const [list, longList] = counts.map((count) => listOf(Number(count)));
const version = Buffer.from('{"major":"1","minor":"30","gitVersion":"v1.30.0"}');
const review = Buffer.from(
  '{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":true}}',
);

createServer(
  {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ca: readFileSync(caFile),
    requestCert: true,
    rejectUnauthorized: true,
    keepAliveTimeout: 60_000,
  },
  (request, response) => {
    const body = request.method === 'POST' ? review : answerTo(request.url ?? '');
    request.resume();
    response.writeHead(request.method === 'POST' ? 201 : 200, {
      'content-type': 'application/json',
      'content-length': body.length,
    });
    response.end(body);
  },
).listen(Number(portText), '127.0.0.1', () => console.log('ready'));

function answerTo(target: string): Buffer {
  if (!target.includes('/pods')) return version;
  return target.includes('/namespaces/long/') ? longList! : list!;
}
