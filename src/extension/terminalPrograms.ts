/** The command line as a program for terminals: a small script that starts it with the Node of VS Code. No vscode here. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

export interface CommandLine {
  /** A Node executable, or VS Code's own. */
  readonly node: string;
  /** The bundled command line. */
  readonly script: string;
}

/** Writes `lathe` for POSIX shells and `lathe.cmd` for Windows; existing ones are replaced. */
export function writePrograms(folder: string, { node, script }: CommandLine): void {
  mkdirSync(folder, { recursive: true });
  const program = join(folder, "lathe");
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  writeFileSync(program, `#!/bin/sh\nELECTRON_RUN_AS_NODE=1 exec ${quote(node)} ${quote(script)} "$@"\n`);
  chmodSync(program, 0o755);
  // A percent sign would begin a variable.
  const quoteForWindows = (text: string) => `"${text.replaceAll("%", "%%")}"`;
  writeFileSync(
    join(folder, "lathe.cmd"),
    `@echo off\r\nsetlocal\r\nset ELECTRON_RUN_AS_NODE=1\r\n${quoteForWindows(node)} ${quoteForWindows(script)} %*\r\n`,
  );
}

/** What comes before the PATH of a terminal. */
export function getPathPrefix(folder: string): string {
  return `${folder}${delimiter}`;
}
