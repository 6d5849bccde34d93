/** `lathe bench --one-shot`: a matrix of real width through every method, each in a process of its own, so that its memory is its own. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import {
  calibrationSize,
  getCaseTitle,
  measureOneShot,
  type OneShotCase,
  listOneShotCases,
  type OneShotSpeed,
} from "../backend/bench/oneShot";
import { referenceOf, referenceProgram } from "../backend/bench/oneShotReference";
import type { Engine } from "../backend/engine/engine";
import { resolveThreadCount } from "../backend/engine/runtime";
import { toWorkbenchError, WorkbenchError } from "../protocol/errors";
import { formatBytes } from "../protocol/quantities";
import type { Outcome } from "./command";
import { formatTable } from "./table";
import { findTorchPython } from "./torchPython";
import type { Terminal } from "./terminal";

const execute = promisify(execFile);
const widths = [768, 3072];

interface Measured extends OneShotSpeed {
  /** Seconds of the same formulas in PyTorch, right after the method, if both are there. */
  readonly reference?: number | undefined;
}
type Row = Measured | (OneShotCase & { readonly width: number; readonly reason: string });

/** All methods at all widths, row by row; with a Python that has PyTorch, beside its times. */
export async function benchAllOneShot(terminal: Terminal, pythonPath: string | undefined): Promise<Outcome> {
  const python = await findTorchPython(pythonPath).catch((thrown: unknown) => {
    if (pythonPath !== undefined) throw thrown;
    terminal.log(`Nothing is compared with PyTorch: ${toWorkbenchError(thrown).message}`);
    return undefined;
  });
  const rows: Row[] = [];
  for (const width of widths)
    for (const each of listOneShotCases()) {
      const speed = await runInChildProcess(each, width);
      const row =
        "reason" in speed ? speed : { ...speed, reference: await timeReference(python, each, width) };
      rows.push(row);
      terminal.log(
        `${getCaseTitle(each)}, width ${width}: ${"reason" in row ? row.reason : `${row.seconds.toFixed(1)} s`}`,
      );
    }
  const { samples, length } = calibrationSize;
  return {
    document: { calibration: calibrationSize, oneShot: rows },
    text: [
      `One matrix through each method, with ${samples} sequences of ${length} tokens where it reads text, each in a process of its own. The time in PyTorch is of the published formulas without reading; the ratio compares it with the rest of the seconds:`,
      formatTable(
        [
          "method",
          "width",
          "seconds",
          "of these reading",
          "peak memory",
          "of this before",
          "in PyTorch",
          "ratio",
        ],
        rows.flatMap((row) =>
          "reason" in row
            ? []
            : [
                [
                  getCaseTitle(row),
                  String(row.width),
                  row.seconds.toFixed(1),
                  row.observing.toFixed(1),
                  formatBytes(row.peakBytes),
                  formatBytes(row.bytesBefore),
                  row.reference?.toFixed(2) ?? "–",
                  row.reference === undefined ? "–" : formatRatio(row, row.reference),
                ],
              ],
        ),
        terminal,
      ),
      ...rows.flatMap((row) =>
        "reason" in row ? [`${getCaseTitle(row)}, width ${row.width}: ${row.reason}`] : [],
      ),
    ].join("\n\n"),
  };
}

/** One of them, in this process, and in PyTorch if a Python is named. */
export async function benchOneShot(
  engine: Engine,
  caseTitle: string,
  width: number,
  pythonPath: string | undefined,
): Promise<Outcome> {
  const python = pythonPath === undefined ? undefined : await findTorchPython(pythonPath);
  const oneShot = listOneShotCases().find((each) => getCaseTitle(each) === caseTitle);
  if (oneShot === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `There is no method ${caseTitle} to measure. Allowed: ${listOneShotCases().map(getCaseTitle).join(", ")}.`,
    );
  const speed = await measureOneShot(engine, oneShot, width);
  const reference = await timeReference(python, oneShot, width);
  return {
    document: { ...speed, reference },
    text: [
      `${caseTitle} of ${speed.role}, width ${width}: ${speed.seconds.toFixed(2)} s, ${speed.observing.toFixed(2)} of them reading text; at most ${formatBytes(speed.peakBytes)}, ${formatBytes(speed.bytesBefore)} before it.`,
      ...(reference === undefined
        ? []
        : [
            `The published formulas take ${reference.toFixed(2)} s in PyTorch without reading, so the rest of the seconds is ${formatRatio(speed, reference)} times that.`,
          ]),
    ].join("\n"),
  };
}

async function runInChildProcess(oneShot: OneShotCase, width: number): Promise<Row> {
  const args = ["bench", "--one-shot", getCaseTitle(oneShot), "--width", String(width), "--json"];
  try {
    const { stdout } = await execute(process.execPath, [process.argv[1]!, ...args], { maxBuffer: 2 ** 24 });
    return JSON.parse(stdout) as OneShotSpeed;
  } catch (thrown) {
    return { ...oneShot, width, reason: getFailureReason(thrown) };
  }
}

function formatRatio({ seconds, observing }: OneShotSpeed, reference: number): string {
  return ((seconds - observing) / reference).toFixed(2);
}

/** Seconds of a case in PyTorch; undefined without Python, or if the case has no published formula. */
async function timeReference(
  python: string | undefined,
  oneShot: OneShotCase,
  width: number,
): Promise<number | undefined> {
  const name = referenceOf[getCaseTitle(oneShot)];
  if (python === undefined || name === undefined) return undefined;
  const threads = resolveThreadCount(undefined);
  const { stdout } = await execute(python, ["-c", referenceProgram, name, String(width), String(threads)]);
  return Number(stdout);
}

/** The error that the other process reported, or how it ended. */
function getFailureReason(thrown: unknown): string {
  try {
    const { stdout } = thrown as { stdout: string };
    return (JSON.parse(stdout) as { error: { message: string } }).error.message;
  } catch {
    return toWorkbenchError(thrown).message;
  }
}
