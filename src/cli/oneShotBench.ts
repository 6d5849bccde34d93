/** `lathe bench --one-shot`: a matrix of real width through every method, each in a process of its own, so that its memory is its own. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import {
  calibrationSize,
  measureOneShot,
  type OneShotCase,
  listOneShotCases,
  type OneShotSpeed,
} from "../backend/bench/oneShot";
import type { Engine } from "../backend/engine/engine";
import { toWorkbenchError, WorkbenchError } from "../protocol/errors";
import { formatBytes } from "../protocol/quantities";
import type { Outcome } from "./command";
import { formatTable } from "./table";
import type { Terminal } from "./terminal";

const execute = promisify(execFile);
const widths = [768, 3072];

type Row = OneShotSpeed | (OneShotCase & { readonly width: number; readonly reason: string });

/** All methods at all widths, row by row. */
export async function benchAllOneShot(terminal: Terminal): Promise<Outcome> {
  const rows: Row[] = [];
  for (const width of widths)
    for (const each of listOneShotCases()) {
      const row = await runInChildProcess(each, width);
      rows.push(row);
      terminal.log(
        `${getCaseTitle(each)}, width ${width}: ${"reason" in row ? row.reason : `${row.seconds.toFixed(1)} s`}`,
      );
    }
  const { samples, length } = calibrationSize;
  return {
    document: { calibration: calibrationSize, oneShot: rows },
    text: [
      `One matrix through each method, with ${samples} sequences of ${length} tokens where it reads text, each in a process of its own:`,
      formatTable(
        ["method", "width", "seconds", "of these reading", "peak memory", "of this before"],
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

/** One of them, in this process. */
export async function benchOneShot(engine: Engine, caseTitle: string, width: number): Promise<Outcome> {
  const oneShot = listOneShotCases().find((each) => getCaseTitle(each) === caseTitle);
  if (oneShot === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `There is no method ${caseTitle} to measure. Allowed: ${listOneShotCases().map(getCaseTitle).join(", ")}.`,
    );
  const speed = await measureOneShot(engine, oneShot, width);
  return {
    document: speed,
    text: `${caseTitle} of ${speed.role}, width ${width}: ${speed.seconds.toFixed(1)} s, ${speed.observing.toFixed(1)} of them reading text; at most ${formatBytes(speed.peakBytes)}, ${formatBytes(speed.bytesBefore)} before it.`,
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

/** The error that the other process reported, or how it ended. */
function getFailureReason(thrown: unknown): string {
  try {
    const { stdout } = thrown as { stdout: string };
    return (JSON.parse(stdout) as { error: { message: string } }).error.message;
  } catch {
    return toWorkbenchError(thrown).message;
  }
}

/** The method and the options that are not its defaults: `svd whiten`. */
function getCaseTitle({ method, options }: OneShotCase): string {
  return [method, ...Object.keys(options)].join(" ");
}
