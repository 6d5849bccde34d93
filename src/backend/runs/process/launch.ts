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
  /** Publish what `export.push_to` names. */
  readonly push: boolean;
  readonly launcher: number;
}

export function writeArguments(options: LaunchArguments): string[] {
  const { folder, resume, parallel, advance, push, launcher } = options;
  return [
    ...(resume ? ["--resume"] : []),
    ...(parallel ? ["--parallel"] : []),
    ...(advance ? ["--advance"] : []),
    ...(push ? ["--push"] : []),
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
      push: { type: "boolean" },
      launcher: { type: "string" },
    },
  });
  return {
    folder: positionals[0] ?? "",
    resume: values.resume ?? false,
    parallel: values.parallel ?? false,
    advance: values.advance ?? false,
    push: values.push ?? false,
    launcher: Number(values.launcher),
  };
}
