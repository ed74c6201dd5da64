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
  },
  { additionalProperties: false },
);
export type AgentState = Static<typeof AgentState>;

const validator = Compile(AgentState);

/** Where an agent keeps its state. */
export interface StateFile {
  /** Undefined when there is none, or none that can be understood. */
  read(): Promise<AgentState | undefined>;
  write(state: AgentState): Promise<void>;
}

/** The state file below a data directory: `<dataDir>/identity/agent.json`, 0600 in a directory 0700. */
export function stateFileIn(dataDir: string): StateFile {
  const directory = join(dataDir, 'identity');
  const path = join(directory, 'agent.json');
  return {
    read: async () => {
      const secret = await readSecretFile(path, { own: true }).catch((error: unknown) => {
        if (MissingFile.is(error)) return undefined;
        throw error;
      });
      return secret && parseState(secret.reveal());
    },
    write: async (state) => {
      await ensureSecureDirectory(directory);
      await writeSecureFile(path, `${JSON.stringify(state)}\n`);
    },
  };
}

/** For an agent without a data directory: its identity ends with the process. */
export function noStateFile(): StateFile {
  return { read: () => Promise.resolve(undefined), write: () => Promise.resolve() };
}

function parseState(text: string): AgentState | undefined {
  try {
    const value = parseJson(text);
    return validator.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
