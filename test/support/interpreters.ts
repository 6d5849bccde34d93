/** Programs in the role of a Python interpreter: real processes that fail in one way each. For systems with `sh`. */
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findInterpreter, type Interpreter } from "../../src/backend/engine/torch/interpreter";
import { createTemporaryFolder } from "./temporary";

/** A program of this shell script. */
export function writeInterpreter(script: string, name = "python3"): Interpreter {
  const path = join(createTemporaryFolder(), name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { path, source: "the test" };
}

/** A program that reports what `lathe_torch.devices` would, with other values. */
export function writeAnsweringInterpreter(answer: object): Interpreter {
  return writeInterpreter(`cat <<'END'\nlathe-torch:${JSON.stringify(answer)}\nEND`);
}

/** The Python of this machine, before a test names another. */
const machinePython = findPython();

/** Why tests that need some Python cannot run here; undefined if they can. Python needs no PyTorch for them. */
export const pythonSkipReason: string | undefined = findSkipReason();

function findSkipReason(): string | undefined {
  if (machinePython === undefined) return "there is no Python here";
  const code = "import sys; sys.exit(0 if sys.version_info >= (3, 10) else 1)";
  const isNew = spawnSync(machinePython, ["-c", code]).status === 0;
  return isNew ? undefined : `${machinePython} is older than Python 3.10`;
}

function findPython(): string | undefined {
  try {
    return findInterpreter().path;
  } catch {
    return undefined;
  }
}

/** The Python of this machine, which runs these lines before the module that it is started with. */
export function writePython(lines: readonly string[]): Interpreter {
  const folder = createTemporaryFolder();
  const program = [
    "import runpy, sys",
    `sys.path[0:0] = [""]`,
    ...lines,
    `runpy.run_module(sys.argv[2], run_name="__main__", alter_sys=True)`,
  ].join("\n");
  writeFileSync(join(folder, "start.py"), program);
  return writeInterpreter(
    `exec "${machinePython}" -c 'exec(open("${join(folder, "start.py")}").read())' "$@"`,
  );
}

/** The Python of this machine with a package `torch` of this text. */
export function writePythonWithTorch(text: string): Interpreter {
  const folder = createTemporaryFolder();
  writeFileSync(join(folder, "torch.py"), text);
  return writePython([`sys.path[0:0] = [${JSON.stringify(folder)}]`]);
}
