import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  createPythonLaunch,
  findInterpreter,
  listInterpreters,
} from "../../../../src/backend/engine/torch/interpreter";
import { createTemporaryFolder } from "../../../support/temporary";

/** A folder with executable files of these names. */
function createPrograms(...names: readonly string[]): string {
  const folder = createTemporaryFolder();
  for (const name of names) {
    writeFileSync(join(folder, name), "#!/bin/sh\n");
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

describe.skipIf(process.platform === "win32")("the interpreter", () => {
  it("is that of the setting, else of the environment, else of the Python extension, else of PATH", () => {
    const folder = createPrograms("set", "named", "selected", "python3", "python");
    const variables = {
      LATHE_PYTHON_SETTING: join(folder, "set"),
      LATHE_PYTHON: "named",
      LATHE_PYTHON_SELECTED: join(folder, "selected"),
      PATH: `relative:/no/such/folder:${folder}`,
    };
    const expected = [
      { path: join(folder, "set"), source: "the setting lathe.pythonPath" },
      { path: join(folder, "named"), source: "the environment variable LATHE_PYTHON" },
      { path: join(folder, "selected"), source: "the Python extension" },
      { path: join(folder, "python3"), source: "PATH" },
    ];
    expect(listInterpreters(variables)).toEqual(expected);
    const unset: Record<string, string> = {};
    for (const [i, name] of Object.keys(variables).slice(0, 3).entries()) {
      expect(findInterpreter({ ...variables, ...unset })).toEqual(expected[i]);
      unset[name] = " ";
    }
    expect(findInterpreter({ ...variables, ...unset })).toEqual(expected[3]);
  });

  it("is python where there is no python3, and each is listed once", () => {
    const folder = createPrograms("python");
    const path = join(folder, "python");
    expect(listInterpreters({ PATH: folder })).toEqual([{ path, source: "PATH" }]);
    expect(listInterpreters({ LATHE_PYTHON: path, PATH: folder })).toEqual([
      { path, source: "the environment variable LATHE_PYTHON" },
    ]);
  });

  it("that is named but missing is an error, never another interpreter", () => {
    const folder = createPrograms("python3");
    mkdirSync(join(folder, "env"));
    writeFileSync(join(folder, "text"), "");
    const failure = (LATHE_PYTHON: string) => {
      try {
        return findInterpreter({ LATHE_PYTHON, PATH: folder }).path;
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "device-failed" });
        return (thrown as Error).message.replaceAll(folder, "FOLDER");
      }
    };
    const message = (path: string, fault: string) =>
      `The Python interpreter ${path}, which the environment variable LATHE_PYTHON names, ${fault}. Install Python ` +
      "3.10 or newer with PyTorch 2.6 or newer, or name an interpreter that has them in the setting " +
      "lathe.pythonPath or the environment variable LATHE_PYTHON.";
    expect(failure("pypy")).toBe(message("pypy", "is not on PATH"));
    expect(failure("env/bin/python")).toBe(message("env/bin/python", "is not an absolute path"));
    expect(failure(join(folder, "none"))).toBe(message("FOLDER/none", "does not exist"));
    expect(failure(join(folder, "env"))).toBe(message("FOLDER/env", "is not an executable file"));
    expect(failure(join(folder, "text"))).toBe(message("FOLDER/text", "is not an executable file"));
  });

  it("that is neither named nor on PATH is an error with what to do", () => {
    expect(() => findInterpreter({ PATH: createTemporaryFolder() })).toThrow(
      /^No Python interpreter was found: none is named, and neither python3 nor python is on PATH\. Install Python 3\.10/,
    );
    expect(listInterpreters({})).toEqual([]);
  });
});

it("a missing package is an error before anything starts", () => {
  const before = process.env.LATHE_PYTHON_PACKAGE;
  process.env.LATHE_PYTHON_PACKAGE = createTemporaryFolder();
  try {
    expect(() => createPythonLaunch("lathe_torch.devices")).toThrow(/^Lathe's Python package .* is missing/);
  } finally {
    process.env.LATHE_PYTHON_PACKAGE = before;
  }
});
