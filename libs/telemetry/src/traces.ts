import { context, ProxyTracerProvider, type Tracer } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type * as sdkTypes from '@opentelemetry/sdk-trace';
import type { TraceSettings } from './config.ts';

interface Traces extends AsyncDisposable {
  readonly tracer: Tracer;
}

interface RunningTraces extends AsyncDisposable {
  getTracer(name: string): Tracer;
}

/**
 * A tracer that records nothing, or one that sends spans by OTLP. The SDK is only loaded in the second case, after the
 * start: spans of the first moments are not recorded, and nobody waits for the packages.
 */
export function openTraces(name: string, settings: TraceSettings, resource: Resource): Traces {
  const provider = new ProxyTracerProvider();
  const running = settings.enabled ? startSdk(settings, resource) : undefined;
  running?.then(
    (sdk) => provider.setDelegate(sdk),
    () => undefined,
  );
  return {
    tracer: provider.getTracer(name),
    [Symbol.asyncDispose]: async () => (await running?.catch(() => undefined))?.[Symbol.asyncDispose](),
  };
}

async function startSdk({ sampler, samplerArg }: TraceSettings, resource: Resource): Promise<RunningTraces> {
  const [sdk, { OTLPTraceExporter }, { AsyncLocalStorageContextManager }] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/context-async-hooks'),
  ]);
  // Registered once per process; a second service in the same process finds it there.
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const provider = new sdk.TracerProvider({
    resource,
    sampler: samplerNamed(sdk, sampler, samplerArg),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  return {
    getTracer: (name) => provider.getTracer(name),
    [Symbol.asyncDispose]: () => provider.shutdown(),
  };
}

type Sdk = Pick<
  typeof sdkTypes,
  'AlwaysOffSampler' | 'AlwaysOnSampler' | 'ParentBasedSampler' | 'TraceIdRatioBasedSampler'
>;

function samplerNamed(sdk: Sdk, name: string, arg: string): sdkTypes.Sampler {
  const isParentBased = name.startsWith('parentbased_');
  const root = rootSampler(sdk, name.replace('parentbased_', ''), arg);
  return isParentBased ? new sdk.ParentBasedSampler({ root }) : root;
}

function rootSampler(sdk: Sdk, name: string, arg: string): sdkTypes.Sampler {
  if (name === 'always_off') return new sdk.AlwaysOffSampler();
  if (name !== 'traceidratio') return new sdk.AlwaysOnSampler();
  const ratio = Number(arg === '' ? '1' : arg);
  return new sdk.TraceIdRatioBasedSampler(ratio >= 0 && ratio <= 1 ? ratio : 1);
}
