import { type AppError, failureKinds } from '@postern/core';

/** The details of a `metav1.Status` that name the object a refusal is about. */
export interface StatusDetails {
  readonly group?: string;
  readonly kind?: string;
  readonly name?: string;
}

/** HTTP codes that Kubernetes has a reason for and the table of failure kinds has not. */
const reasons: Readonly<Record<string, { code: number; reason: string }>> = {
  'kube.method_not_allowed': { code: 405, reason: 'MethodNotAllowed' },
  'kube.not_acceptable': { code: 406, reason: 'NotAcceptable' },
  'kube.too_many_headers': { code: 431, reason: 'RequestHeaderFieldsTooLarge' },
  'kube.body_too_large': { code: 413, reason: 'RequestEntityTooLarge' },
  'kube.unsupported_encoding': { code: 415, reason: 'UnsupportedMediaType' },
  'kube.bad_gateway': { code: 502, reason: 'InternalError' },
  'kube.continue_expired': { code: 410, reason: 'Expired' },
};

/** The HTTP code of an error as an answer to a Kubernetes client. */
export function statusCode(error: AppError): number {
  return reasons[error.code]?.code ?? failureKinds[error.kind].http;
}

/** The body of a `metav1.Status`, which is what every Kubernetes client understands as an error. */
export function statusBody(error: AppError, details?: StatusDetails): string {
  return JSON.stringify(statusOf(error, details));
}

/** The same as an object, for an ERROR event of a watch. */
export function statusOf(error: AppError, details?: StatusDetails): Record<string, unknown> {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: error.message,
    reason: reasons[error.code]?.reason ?? failureKinds[error.kind].reason,
    ...(details ? { details } : {}),
    code: statusCode(error),
  };
}
