import {
  context,
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';

/** What a span is besides its name. */
export interface SpanOptions {
  readonly kind?: keyof typeof SpanKind;
  /** W3C `traceparent` of the caller, from a header or an event's meta. */
  readonly parent?: string | undefined;
  /** `traceparent`s of what else led to this, such as the other messages of a batch. */
  readonly links?: readonly (string | undefined)[];
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
}

/** Runs `work` in a span that ends with it and records its failure. Names hold no ids: they are a bounded set. */
export async function inSpan<T>(
  tracer: Tracer,
  name: string,
  { kind = 'INTERNAL', parent, links = [], attributes = {} }: SpanOptions,
  work: (span: Span) => T | Promise<T>,
): Promise<T> {
  const from = parent === undefined ? context.active() : contextOf(parent);
  const linked = links.map(parseTraceparent).filter((context) => context !== undefined);
  const options = { kind: SpanKind[kind], attributes, links: linked.map((context) => ({ context })) };
  const span = tracer.startSpan(name, options, from);
  try {
    return await context.with(trace.setSpan(from, span), work, undefined, span);
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'thrown' });
    throw error;
  } finally {
    span.end();
  }
}

/** The `traceparent` of the active span, or undefined where nothing is traced. */
export function currentTraceparent(): string | undefined {
  const span = trace.getSpanContext(context.active());
  return span && isSpanContextValid(span) ? formatTraceparent(span) : undefined;
}

/** A span's place in its trace, as a W3C `traceparent` header. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** Reads an untrusted `traceparent` header; anything malformed is no parent. */
export function parseTraceparent(header: string | undefined): SpanContext | undefined {
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(header ?? '');
  if (!match) return undefined;
  const span = {
    traceId: match[1]!,
    spanId: match[2]!,
    traceFlags: Number.parseInt(match[3]!, 16) & 1,
    isRemote: true,
  };
  return isSpanContextValid(span) ? span : undefined;
}

function contextOf(traceparent: string): Context {
  const parent = parseTraceparent(traceparent);
  return parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
}
