const uuid = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g;
const time =
  /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g;
const age = /(?<![\w.-])(?:\d+[dhms]){1,3}(?: ago)?(?![\w-])/g;
const resourceVersion = /(resourceVersion"?: *"?|Resource Version: *)\d+/g;
/** What controllers append to names of pods and replica sets. */
const generated = /(conform-[a-z]+)-[a-z0-9]{8,10}(?:-[a-z0-9]{5})?\b/g;
const address = /\b10\.\d+\.\d+\.\d+\b/g;
/** Of containers and what runs in them. */
const hexId = /\b[0-9a-f]{62,64}\b/g;
/** How far a rollout was when kubectl looked. */
const progress = /^Waiting for .*\n/gm;
/** What something takes at a moment. */
const usage = /(?<=[\s"])\d+(?:m|n|[KMG]i|%)(?=[\s",]|$)/gm;
const column = /[ \t]{2,}/g;

/** An output without what differs between two runs of the same command: times, ids, figures, generated names, and the namespace. */
export function normalise(text: string, namespace: string): string {
  return text
    .replaceAll(new RegExp(`\\b${namespace}\\b`, 'g'), '<ns>')
    .replaceAll(uuid, '<uid>')
    .replaceAll(hexId, '<id>')
    .replaceAll(progress, '')
    .replaceAll(time, '<time>')
    .replaceAll(usage, '<usage>')
    .replaceAll(age, '<age>')
    .replaceAll(resourceVersion, '$1<version>')
    .replaceAll(generated, '$1-<generated>')
    .replaceAll(address, '<address>')
    .replaceAll(column, ' ')
    .trimEnd();
}
