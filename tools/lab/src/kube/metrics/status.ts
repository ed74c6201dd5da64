/** An answer of the server: JSON, most often an object of Kubernetes. */
export interface Answer {
  readonly status: number;
  readonly body: object;
}

/** The answer when something was found. */
export function ok(body: object): Answer {
  return { status: 200, body };
}

/** A refusal in the form of an API server (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/). */
export function refusal(status: number, reason: string, message: string): Answer {
  const body = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    code: status,
  };
  return { status, body };
}
