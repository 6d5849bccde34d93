/** The interface of a command. One file per command, which it is named after. `runCli` prints results and errors. */
import type { SchemaCatalog } from "../schema/experiment";
import type { Terminal } from "./terminal";

/** As commander writes it: `<file>` is required, `[run]` may be missing, `<model...>` takes several. */
export type ArgumentSpec = readonly [syntax: string, help: string];

export type OptionSpec = readonly [
  flags: string,
  help: string,
  parse?: (text: string, previous: unknown) => unknown,
];

export interface Call<Arguments, Options> {
  readonly args: Arguments;
  readonly options: Options;
  readonly terminal: Terminal;
  readonly catalog: SchemaCatalog;
}

/** 0 done, 1 failed, 2 unusable input, 3 stopped. */
export type ExitStatus = 0 | 1 | 2 | 3;

/** The result of a command: `document` is printed with --json, `text` without. */
export interface Outcome {
  readonly document: unknown;
  readonly text: string;
  readonly status?: ExitStatus;
}

export interface Command<Arguments, Options> {
  readonly summary: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  run(call: Call<Arguments, Options>): Promise<Outcome>;
}

// The catalog holds commands of any arguments and options; commander gives each what it declares.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyCommand = Command<any, any>;

export function defineCommand<Arguments, Options>(
  command: Command<Arguments, Options>,
): Command<Arguments, Options> {
  return command;
}
