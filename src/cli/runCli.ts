/** The frame around all commands: reads the command line, runs one command, prints its result or its failure. */
import { Command as Program, CommanderError } from "commander";
import { toWorkbenchError } from "../protocol/errors";
import type { SchemaCatalog } from "../schema/experiment";
import { version } from "../protocol/version";
import type { AnyCommand, ExitStatus } from "./command";
import { reportFailure } from "./failure";
import { formatJson, Terminal } from "./terminal";

export interface CliEnvironment {
  /** By the names that they are called by. */
  readonly commands: Readonly<Record<string, AnyCommand>>;
  readonly catalog: SchemaCatalog;
}

export async function runCli(args: readonly string[], environment: CliEnvironment): Promise<ExitStatus> {
  exitOnBrokenPipe();
  const json = args.includes("--json");
  const result: { status: ExitStatus } = { status: 0 };
  const program = new Program("lathe")
    .description("A research workbench for shrinking language models.")
    .version(version)
    .exitOverride();
  for (const [name, command] of Object.entries(environment.commands)) {
    addCommand(program, name, command, async (commandArgs, options) => {
      const terminal = new Terminal(json);
      const outcome = await command.run({
        args: commandArgs,
        options,
        terminal,
        catalog: environment.catalog,
      });
      terminal.result(json ? formatJson(outcome.document) : outcome.text);
      result.status = outcome.status ?? 0;
    });
  }
  try {
    await program.parseAsync([...args], { from: "user" });
    return result.status;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return reportUsageError(thrown, new Terminal(json));
    return reportFailure(toWorkbenchError(thrown), new Terminal(json));
  }
}

type Action = (args: readonly unknown[], options: Readonly<Record<string, unknown>>) => Promise<void>;

function addCommand(program: Program, name: string, command: AnyCommand, action: Action): void {
  const subcommand = program.command(name).description(command.summary).allowExcessArguments(false);
  for (const [syntax, help] of command.arguments ?? []) subcommand.argument(syntax, help);
  for (const [flags, help, parse] of command.options ?? []) {
    if (parse === undefined) subcommand.option(flags, help);
    else subcommand.option(flags, help, parse);
  }
  subcommand.option(
    "--json",
    "print one JSON document on standard output, everything else on standard error",
  );
  subcommand.action(async () => action(subcommand.processedArgs, subcommand.opts()));
}

/** Commander has printed its message already; requested help is not a failure. */
function reportUsageError(error: CommanderError, terminal: Terminal): ExitStatus {
  if (error.code === "commander.helpDisplayed" || error.code === "commander.version") return 0;
  if (terminal.json) {
    const message = error.message.replace(/^error: /, "");
    terminal.result(formatJson({ error: { code: "invalid-input", message, details: {} } }));
  }
  return 2;
}

/** `lathe runs | head` closes the pipe early, which is not an error. */
function exitOnBrokenPipe(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}
