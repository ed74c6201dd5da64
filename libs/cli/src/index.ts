export {
  type Argument,
  type Command,
  command,
  type CommandSpec,
  type Flag,
  hidden,
  type Input,
  list,
  on,
  optional,
  required,
  requiredText,
  rest,
  text,
  textOr,
} from './command.ts';
export { type CliContext, type GlobalFlags, openContext, type Surroundings } from './context.ts';
export { oneLine, withoutEscapes } from './escape.ts';
export { formatOf, jsonText, UnknownFormat, yamlText } from './format.ts';
export { readInput, readTextFile, UnreadableFile } from './input-file.ts';
export { hasLabels, InvalidLabels, isFoundBy, labelsText, parseLabels } from './labels.ts';
export { parseCommandLine, type Request, type Tool, UsageError } from './parse.ts';
export { execute, runTool } from './run.ts';
export { headlessText, type Table, type TableLimits, tableText } from './table.ts';
export { InputTooLarge, type Terminal } from './terminal.ts';
export { recordingsLs } from './recording-list.ts';
