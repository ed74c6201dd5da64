import type { ControlPlaneService } from '@postern/contracts';
import { consumersOf, type ConsumerRight, workConsumers } from './consumers.ts';
import { factLanes } from './fact-lanes.ts';
import { allStreams } from './streams.ts';

const api = '$JS.API';
const streamMaker: ControlPlaneService = 'join-svc';

/**
 * What a service asks of JetStream: to read its own streams, and to make and read its own durable consumers, by their exact
 * names. There is no deletion, no purge but that of old views, no restore, no ephemeral consumer, and no list of what others have. Streams are made
 * and changed by join-svc, which signs every credential and so gains nothing by it: to anybody else the right to configure a
 * stream would be the right to have messages copied to any subject there is.
 */
export function jetStreamRights(service: ControlPlaneService): string[] {
  const consumers = consumersOf(service);
  const foreign = consumers.map(({ stream }) => stream).filter((name) => !streamsOf(service).includes(name));
  return [
    `${api}.INFO`,
    ...(service === streamMaker ? [...allStreams().flatMap(({ name }) => managing(name)), ...leading()] : []),
    ...streamsOf(service).flatMap(reading),
    ...new Set(foreign.map(infoOf)),
    ...consumers.flatMap(consumerRights),
    ...(service === workConsumers.service ? consumerRights(workConsumers) : []),
    // The filter of a purge is in its body. Its owner writes every subject of this stream anyhow, and what is in it can be
    // written again from the database.
    ...(service === 'resource-svc' ? [`${api}.STREAM.PURGE.VIEW`] : []),
  ];
}

/** Names of the JetStream streams that a service declares, fills and reads. */
export function streamsOf(service: ControlPlaneService): string[] {
  return allStreams()
    .filter(({ metadata }) => `${metadata?.['owner']}-svc` === service)
    .map(({ name }) => name);
}

function managing(name: string): string[] {
  return [infoOf(name), `${api}.STREAM.CREATE.${name}`, `${api}.STREAM.UPDATE.${name}`];
}

/** To have another server lead a stream of facts. */
function leading(): string[] {
  return factLanes.map(({ stream }) => `${api}.STREAM.LEADER.STEPDOWN.${stream}`);
}

/** Events are read by number, for the relay, and in pages; views in pages; facts and work by consumers alone. */
function reading(name: string): string[] {
  const isLog = name.startsWith('EVT_');
  return [
    infoOf(name),
    ...(isLog ? [`${api}.STREAM.MSG.GET.${name}`] : []),
    ...(isLog || name === 'VIEW' ? [`${api}.DIRECT.GET.${name}`] : []),
  ];
}

function infoOf(name: string): string {
  return `${api}.STREAM.INFO.${name}`;
}

// The server compares the name and the filter in the subject of a creation with those in its body.
function consumerRights({ stream, durable, filterSubject }: ConsumerRight): string[] {
  return [
    `${api}.CONSUMER.CREATE.${stream}.${durable}.${filterSubject}`,
    `${api}.CONSUMER.INFO.${stream}.${durable}`,
    `${api}.CONSUMER.MSG.NEXT.${stream}.${durable}`,
    `$JS.ACK.${stream}.${durable}.>`,
    // The form of later servers, with domain and account.
    `$JS.ACK.*.*.${stream}.${durable}.>`,
  ];
}
