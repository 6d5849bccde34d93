/** A device of PyTorch that cannot be used is refused in one line before a run begins. All interpreters are real processes. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { protocolVersion } from "../../src/backend/engine/torch/torchDevices";
import { writeAnsweringInterpreter, writeInterpreter } from "../support/interpreters";
import { model, train } from "./badExperiments";
import { realWorkspace, useRealLathe } from "./realLathe";

useRealLathe();

const data = "data: {grammar: {length: 4000}, tokenizer: bytes, sequence_len: 16, val_fraction: 0.2}";

describe("a device of PyTorch", { timeout: 60_000 }, () => {
  it.skipIf(process.platform === "win32").for([
    [
      "whose Python does not exist",
      { path: "/no/such/python" },
      /^error: The Python interpreter PYTHON, which the environment variable LATHE_PYTHON names, does not exist\. Install Python 3\.10/,
    ],
    [
      "whose Python is too old",
      writeAnsweringInterpreter({ python: "3.8.10" }),
      /^error: PyTorch devices require Python 3\.10 or newer, but PYTHON \(from the environment variable LATHE_PYTHON\) is Python 3\.8\.10\./,
    ],
    [
      "whose Python has no PyTorch",
      writeAnsweringInterpreter({ protocol: protocolVersion, python: "3.12.1", torch: null }),
      /^error: PyTorch is not installed for PYTHON \(.*\), Python 3\.12\.1\. Install it with "PYTHON" -m pip install torch/,
    ],
    [
      "that PyTorch does not have",
      writeAnsweringInterpreter({
        ...{ protocol: protocolVersion, python: "3.12.1", torch: "2.9.0" },
        devices: [{ kind: "cuda", works: false, reason: "this PyTorch is built without CUDA", cards: [] }],
      }),
      /^error: Device "torch:cuda" does not work with PyTorch 2\.9\.0 of PYTHON: this PyTorch is built without CUDA\. Devices that work with it: none\./,
    ],
    [
      "whose Python crashes",
      writeInterpreter("kill -SEGV $$"),
      /^error: PYTHON \(.*\) crashed with SIGSEGV when it loaded PyTorch\. Select another interpreter/,
    ],
  ] as const)("%s is refused", async ([, { path }, message]) => {
    const other = realWorkspace({ LATHE_PYTHON: path });
    const file = other.write("good.lathe.md", [data, model, train].join("\n"));
    const { status, output, errors } = await other.lathe("run", file, "--device", "torch:cuda");
    expect({ status, output }).toEqual({ status: 2, output: "" });
    expect(errors.replaceAll(path, "PYTHON")).toMatch(message);
    expect(errors.trim().split("\n")).toHaveLength(1);
    expect(existsSync(join(other.path, ".lathe", "runs"))).toBe(false);
  });
});
