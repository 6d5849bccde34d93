/** Every way in which asking Python for PyTorch's devices fails is one clear error. All interpreters are real processes. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { chooseDevice, listDevices } from "../../../../src/backend/engine/devices";
import type { Interpreter } from "../../../../src/backend/engine/torch/interpreter";
import { askInterpreter, protocolVersion } from "../../../../src/backend/engine/torch/torchDevices";
import {
  pythonSkipReason,
  writeAnsweringInterpreter,
  writeInterpreter,
  writePython,
  writePythonWithTorch,
} from "../../../support/interpreters";
import { createTemporaryFolder } from "../../../support/temporary";
import { testPython, torchSkipReason } from "../../../support/torch";

const card = { name: "NVIDIA H200", totalBytes: 150e9, freeBytes: 149e9 };
const fails = (kind: string, reason: string) => ({ kind, works: false, reason, cards: [] });
const cpu = { kind: "cpu", works: true, reason: "", cards: [] };
const answer = (devices: readonly object[]) => ({
  protocol: protocolVersion,
  python: "3.12.1",
  torch: "2.9.0+cu128",
  devices,
});

async function failureOf(interpreter: Interpreter, timeoutMilliseconds = 20_000): Promise<string> {
  const failure = askInterpreter(interpreter, { timeoutMilliseconds }).then(
    () => expect.fail("the interpreter was accepted"),
    (thrown: unknown) => thrown as Error,
  );
  expect(await failure).toMatchObject({ code: "device-failed" });
  return (await failure).message.replaceAll(interpreter.path, "PYTHON");
}

const other =
  "Select another interpreter with the setting lathe.pythonPath or the environment variable LATHE_PYTHON.";

describe.skipIf(process.platform === "win32")("an interpreter", () => {
  it("that reports its devices is asked once", async () => {
    const folder = createTemporaryFolder();
    const line = `lathe-torch:${JSON.stringify(answer([cpu]))}`;
    const interpreter = writeInterpreter(
      `mkdir ${folder}/asked || exit 1\necho "some banner"\necho '${line}'`,
    );
    const [first, second] = await Promise.all([askInterpreter(interpreter), askInterpreter(interpreter)]);
    expect(await askInterpreter(interpreter)).toEqual(first);
    expect(second).toEqual(first);
    expect(first).toMatchObject({ python: "3.12.1", torch: "2.9.0+cu128", interpreter });
    expect(first.devices.map(({ name, works }) => [name, works])).toEqual([
      ["torch:cuda", false],
      ["torch:mps", false],
      ["torch:xpu", false],
      ["torch:cpu", true],
    ]);
  });

  it("is asked again after a failure", async () => {
    const folder = createTemporaryFolder();
    const line = `lathe-torch:${JSON.stringify(answer([cpu]))}`;
    const interpreter = writeInterpreter(`mkdir ${folder}/asked && exit 1\necho '${line}'`);
    expect(await failureOf(interpreter)).toContain("ended with status 1");
    expect(await askInterpreter(interpreter)).toMatchObject({ torch: "2.9.0+cu128" });
  });

  it("that crashes is named with its signal and its last message", async () => {
    expect(await failureOf(writeInterpreter("echo first >&2\necho no memory >&2\nkill -SEGV $$"))).toBe(
      `PYTHON (from the test) crashed with SIGSEGV when it loaded PyTorch. ${other} Its last message: no memory`,
    );
  });

  it("that hangs is ended", async () => {
    expect(await failureOf(writeInterpreter("exec sleep 600"), 500)).toBe(
      `PYTHON (from the test) did not report the devices of PyTorch within 0.5 seconds, and was ended. ${other}`,
    );
  });

  it("that reads its input gets none", async () => {
    expect(await failureOf(writeInterpreter("cat"))).toBe(
      `PYTHON (from the test) ended with status 0 without reporting its version and devices. ${other}`,
    );
  });

  it("that prints something else is quoted", async () => {
    expect(await failureOf(writeInterpreter("echo; echo 'Hello, not Python here'; exit 4"))).toBe(
      `PYTHON (from the test) printed "Hello, not Python here" instead of its version and devices. ${other}`,
    );
    expect(await failureOf(writeInterpreter("echo 'lathe-torch:{broken'"))).toContain(
      'printed "lathe-torch:{broken" instead of',
    );
    expect(await failureOf(writeAnsweringInterpreter({ python: 3 }))).toContain("instead of its version");
    expect(await failureOf(writeInterpreter("yes 'much text'"))).toContain('printed "much text" instead of');
  });

  it("that the system cannot execute is refused with the system's reason", async () => {
    const { path } = writeInterpreter("");
    expect(await failureOf({ path: `${path}.missing`, source: "the test" })).toMatch(
      /^PYTHON \(from the test\) could not be started: .*ENOENT/,
    );
  });

  it("that is too old reports only its version", async () => {
    expect(await failureOf(writeAnsweringInterpreter({ python: "3.8.10" }))).toBe(
      `PyTorch devices require Python 3.10 or newer, but PYTHON (from the test) is Python 3.8.10. ${other}`,
    );
  });

  it("with another version of the protocol is refused", async () => {
    const { protocol, ...others } = answer([cpu]);
    expect(await failureOf(writeAnsweringInterpreter({ ...others, protocol: protocol + 1 }))).toMatch(
      /^Lathe's Python package .* has version 2 of the protocol, but this Lathe has version 1\. Install Lathe again/,
    );
  });
});

describe.skipIf(process.platform === "win32")("the package lathe_torch", () => {
  beforeEach(({ skip }) => skip(pythonSkipReason !== undefined, pythonSkipReason));

  it("reports the version of an old Python before it reads anything else", async () => {
    const old = writePython(["sys.version_info = (3, 8, 10, 'final', 0)"]);
    expect(await failureOf(old)).toMatch(
      /^PyTorch devices require Python 3\.10 or newer, .* Python 3\.8\.10\./,
    );
  });

  it("reports that PyTorch is not installed, with the command that installs it", async () => {
    expect(await failureOf(writePython(["sys.modules['torch'] = None"]))).toMatch(
      /^PyTorch is not installed for PYTHON \(from the test\), Python 3\.\d+\.\d+\S*\. Install it with "PYTHON" -m pip install torch, or/,
    );
  });

  it("reports an old PyTorch, with the command that updates it", async () => {
    const old = writePythonWithTorch("__version__ = '2.1.2+cu121'");
    expect(await failureOf(old)).toBe(
      "Lathe requires PyTorch 2.6 or newer, but PYTHON (from the test) has 2.1.2+cu121. Update it with " +
        '"PYTHON" -m pip install --upgrade torch, or select another interpreter with the setting lathe.pythonPath or LATHE_PYTHON.',
    );
  });

  it("reports why PyTorch cannot be loaded", async () => {
    const library = writePythonWithTorch("raise OSError('libcudart.so.12: cannot open shared object file')");
    expect(await failureOf(library)).toBe(
      `PYTHON (from the test) cannot load PyTorch: OSError: libcudart.so.12: cannot open shared object file. ${other}`,
    );
    const numpy = writePythonWithTorch("import a_package_that_nobody_has");
    expect(await failureOf(numpy)).toContain(
      "cannot load PyTorch: ModuleNotFoundError: No module named 'a_package_that_nobody_has'.",
    );
    const native = writePythonWithTorch("import os, signal\nos.kill(os.getpid(), signal.SIGABRT)");
    expect(await failureOf(native)).toContain("crashed with SIGABRT when it loaded PyTorch.");
  });

  it("ignores modules of the folder in which Lathe works", async () => {
    const working = process.cwd();
    const folder = createTemporaryFolder();
    for (const name of ["torch.py", "lathe_torch.py", "json.py"])
      writeFileSync(join(folder, name), "raise SystemExit('planted')");
    const python = writePython(["sys.modules['torch'] = None"]);
    process.chdir(folder);
    try {
      expect(await failureOf(python)).toContain("PyTorch is not installed");
    } finally {
      process.chdir(working);
    }
  });
});

describe.skipIf(process.platform === "win32")("a device of PyTorch", () => {
  const use = ({ path }: Interpreter) => (process.env.LATHE_PYTHON = path);
  const withCard = () =>
    writeAnsweringInterpreter(
      answer([{ kind: "cuda", works: true, reason: "", cards: [card, { ...card, totalBytes: 80e9 }] }, cpu]),
    );

  it("is the best that works for torch, with the Python that it belongs to", async () => {
    const path = use(withCard());
    expect(await chooseDevice("torch")).toEqual({
      name: "torch:cuda",
      description: "NVIDIA H200, the first of 2 cards, PyTorch 2.9.0+cu128",
      reason: `the best device of PyTorch (Python 3.12.1, ${path}, from the environment variable LATHE_PYTHON)`,
      notices: [],
      memoryBytes: 80e9,
    });
    expect(await chooseDevice("torch:cpu")).toMatchObject({
      name: "torch:cpu",
      description: expect.stringMatching(/threads, PyTorch 2\.9\.0\+cu128$/) as string,
      reason: expect.stringMatching(/^selected by name \(Python 3\.12\.1, /) as string,
    });
  });

  it("that does not work is refused with PyTorch's reason and the devices that work", async () => {
    const path = use(writeAnsweringInterpreter(answer([fails("cuda", "the driver is too old"), cpu])));
    await expect(chooseDevice("torch:cuda")).rejects.toMatchObject({
      code: "device-failed",
      message: `Device "torch:cuda" does not work with PyTorch 2.9.0+cu128 of ${path}: the driver is too old. Devices that work with it: torch:cpu.`,
    });
  });

  it("is chosen automatically if there is a card, else the devices of ONNX Runtime are tried as before", async () => {
    use(withCard());
    expect(await chooseDevice("auto", { hasTorchCard: true })).toMatchObject({
      name: "torch:cuda",
      reason: expect.stringMatching(/^auto: torch:cuda \(Python 3\.12\.1, /) as string,
    });
    const folder = createTemporaryFolder();
    use(writeInterpreter(`mkdir ${folder}/asked; exit 1`));
    expect((await chooseDevice("auto", { hasTorchCard: false })).reason).not.toContain("torch");
    expect(existsSync(`${folder}/asked`)).toBe(false);
    expect((await chooseDevice("auto", { hasTorchCard: true })).reason).toMatch(
      /^auto: torch:cuda does not work here \(.* ended with status 1 without reporting its version and devices\), /,
    );
  });

  it("is listed with its cards and their memory, and one line is enough where there is no PyTorch", async () => {
    use(withCard());
    const listed = (await listDevices()).filter(({ name }) => name.startsWith("torch"));
    expect(listed.map(({ name, works }) => [name, works])).toEqual([
      ["torch:cuda", true],
      ["torch:mps", false],
      ["torch:xpu", false],
      ["torch:cpu", true],
    ]);
    expect(listed[0]).toMatchObject({ memoryBytes: 80e9, cards: [card, { ...card, totalBytes: 80e9 }] });
    process.env.LATHE_PYTHON = "/no/such/python";
    const missing = (await listDevices()).filter(({ name }) => name.startsWith("torch"));
    expect(missing).toMatchObject([
      { name: "torch", works: false, reason: expect.stringContaining("/no/such/python, which") as string },
    ]);
  });
});

describe("PyTorch of this machine", () => {
  it("works on the processor", async ({ skip }) => {
    skip(torchSkipReason !== undefined, torchSkipReason);
    process.env.LATHE_PYTHON = testPython;
    expect(await chooseDevice("torch:cpu")).toMatchObject({ name: "torch:cpu" });
  });
});
