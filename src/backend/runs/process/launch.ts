/**
 * The interface between the launcher and the run process: command-line arguments one way, one message the other way.
 */
import { parseArgs } from "node:util";

export type LaunchMessage =
  { readonly ready: true } | { readonly ready: false; readonly code: string; readonly message: string };

export interface LaunchArguments {
  readonly folder: string;
  readonly resume: boolean;
  readonly parallel: boolean;
  /** Start the next runs of its search at the end of the run. */
  readonly advance: boolean;
  readonly launcher: number;
}

export function writeArguments({ folder, resume, parallel, advance, launcher }: LaunchArguments): string[] {
  return [
    ...(resume ? ["--resume"] : []),
    ...(parallel ? ["--parallel"] : []),
    ...(advance ? ["--advance"] : []),
    `--launcher=${launcher}`,
    "--",
    folder,
  ];
}

export function readArguments(args: readonly string[]): LaunchArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      resume: { type: "boolean" },
      parallel: { type: "boolean" },
      advance: { type: "boolean" },
      launcher: { type: "string" },
    },
  });
  return {
    folder: positionals[0] ?? "",
    resume: values.resume ?? false,
    parallel: values.parallel ?? false,
    advance: values.advance ?? false,
    launcher: Number(values.launcher),
  };
}
