import { join } from 'node:path';
import { BusAccess } from '@postern/contracts';
import { parseJson } from '@postern/core';
import { ensureSecureDirectory, MissingFile, readSecretFile, writeSecureFile } from '@postern/identity';
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';

/** Everything that makes an agent who it is. In one file, so that it is replaced as a whole. */
export const AgentState = Type.Object(
  {
    agentId: Type.String(),
    clusterName: Type.String(),
    key: Type.String(),
    certificate: Type.String(),
    hostCa: Type.String(),
    userCa: Type.String(),
    /** What a server sends behind its certificate. */
    hostChain: Type.Optional(Type.String()),
    /** Which revision of the trust that is. */
    trustRevision: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Pins of the authorities by which the control plane was recognised so far: whoever was configured with one of them still is. */
    knownPins: Type.Optional(Type.Array(Type.String())),
    /** Pin of the authority that is to certify this process. */
    wantedIssuer: Type.Optional(Type.String()),
    /** Which service of the control plane it joined as. */
    service: Type.Optional(Type.String()),
    bus: BusAccess,
    busSeed: Type.String(),
    busKey: Type.String(),
    /** Hashes of the views that the bus credential allows. */
    views: Type.Array(Type.String()),
    /**
     * Keys of a renewal that was begun. If its answer is lost, the renewal is repeated with the same keys, by which the
     * control plane knows the repetition.
     */
    pending: Type.Optional(
      Type.Object({ key: Type.String(), busSeed: Type.String(), busKey: Type.String() }),
    ),
    /** Set when the control plane did not know this identity: it is renewed before it is used again, or replaced. */
    isDoubted: Type.Optional(Type.Literal(true)),
  },
  { additionalProperties: false },
);
export type AgentState = Static<typeof AgentState>;

const validator = Compile(AgentState);

/** Where one text is kept, and replaced as a whole. */
export interface StateStore {
  /** For messages: what to remove so that the process joins anew. */
  readonly place: string;
  /** Undefined where there is none. */
  read(): Promise<string | undefined>;
  /** Fails rather than replace what somebody else has written since. */
  write(text: string): Promise<void>;
}

/** Where an agent keeps its state. */
export interface StateFile {
  readonly place: string;
  /** Undefined when there is none, or none that can be understood. */
  read(): Promise<AgentState | undefined>;
  write(state: AgentState): Promise<void>;
}

/**
 * The state of an agent in a store, or else below its data directory. What the directory held before there was a store is
 * copied there once.
 */
export function stateFileOf(options: {
  readonly store?: StateStore | undefined;
  readonly dataDir?: string | undefined;
}): StateFile {
  const { store, dataDir } = options;
  const folder = dataDir === undefined ? undefined : fileIn(dataDir);
  if (!store) return folder ? stateIn(folder) : noStateFile();
  const stored = stateIn(store);
  return {
    ...stored,
    read: async () => {
      const text = await store.read();
      if (text !== undefined || !folder) return text === undefined ? undefined : parseState(text);
      const earlier = await stateIn(folder).read();
      if (earlier) await stored.write(earlier);
      return earlier;
    },
  };
}

function stateIn(store: StateStore): StateFile {
  return {
    place: store.place,
    read: async () => {
      const text = await store.read();
      return text === undefined ? undefined : parseState(text);
    },
    write: (state) => store.write(`${JSON.stringify(state)}\n`),
  };
}

/** `<dataDir>/identity/agent.json`, 0600 in a directory 0700. */
function fileIn(dataDir: string): StateStore {
  const directory = join(dataDir, 'identity');
  const path = join(directory, 'agent.json');
  return {
    place: path,
    read: async () => {
      const secret = await readSecretFile(path, { own: true }).catch((error: unknown) => {
        if (MissingFile.is(error)) return undefined;
        throw error;
      });
      return secret?.reveal();
    },
    write: async (text) => {
      await ensureSecureDirectory(directory);
      await writeSecureFile(path, text);
    },
  };
}

/** For an agent without either: its identity ends with the process. */
function noStateFile(): StateFile {
  return { place: 'memory', read: () => Promise.resolve(undefined), write: () => Promise.resolve() };
}

function parseState(text: string): AgentState | undefined {
  try {
    const value = parseJson(text);
    return validator.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
