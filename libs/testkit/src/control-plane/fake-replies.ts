/** A request as the fake works with it. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly body: unknown;
  readonly ifMatch: string | undefined;
}

/** What the fake answers. */
export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

export function ok(body: unknown): Reply {
  return { status: 200, body };
}

export function refusal(status: number, code: string, detail: string): Reply {
  return { status, body: problemBody(status, [code, detail]) };
}

export function problemBody(status: number, [code, detail]: readonly [string, string]): object {
  return { type: 'about:blank', title: 'Refused', status, detail, code };
}
