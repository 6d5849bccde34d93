/** What the benchmarks of the workbench measure with, and how they print it. Nothing is asserted anywhere. */
import { readdirSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";

export const printFigure = (label: string, figure: string) => console.log(`${label.padEnd(64)} ${figure}`);

/** On a machine that is shared, a time means little without it. */
export function printLoad(): void {
  const [minute = NaN] = loadavg();
  printFigure("load of this machine, mean of the last minute", minute.toFixed(1));
}

/** Prints how long the work took, and beside it what the processes had of the processor meanwhile. */
export async function measureTime<T>(
  label: string,
  work: () => Promise<T>,
  pids: () => readonly number[],
): Promise<T> {
  const processorBefore = getProcessorTime(pids());
  const startTime = performance.now();
  const result = await work();
  const wall = performance.now() - startTime;
  printFigure(
    label,
    `${wall.toFixed(0)} ms, ${(getProcessorTime(pids()) - processorBefore).toFixed(0)} ms of processor`,
  );
  return result;
}

/** Milliseconds of processor time so far, more reliable than a clock on a machine with other load. */
export function getProcessorTime(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readStat(pid);
    // User and system; the kernel reports hundredths of a second.
    return fields === undefined ? sum : sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);
}

/** This process's children and theirs, whose command line holds the text. */
export function findDescendants(text: string): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each)))
    parents.set(Number(name), Number(readStat(Number(name))?.[1]));
  const isDescendant = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === process.pid || isDescendant(parents.get(pid)));
  return [...parents.keys()].filter((pid) => isDescendant(pid) && readCommand(pid).includes(text));
}

/** Fields of /proc/PID/stat from the third on: the second, in brackets, may hold anything. */
function readStat(pid: number): readonly string[] | undefined {
  const stat = readIfPresent(`/proc/${pid}/stat`);
  return stat === "" ? undefined : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function readCommand(pid: number): string {
  return readIfPresent(`/proc/${pid}/cmdline`);
}

/**
 * Mebibytes that a process has now, has had at most, and has alone: without the pages of programs and libraries, which all
 * processes of VS Code share. NaN if the system does not report it.
 */
export function readMemory(pid: number): {
  readonly now: number;
  readonly most: number;
  readonly own: number;
} {
  const status = readIfPresent(`/proc/${pid}/status`);
  const parseMebibytes = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { now: parseMebibytes("VmRSS"), most: parseMebibytes("VmHWM"), own: parseMebibytes("RssAnon") };
}

export function printMemory(label: string, pid: number): void {
  const { now, most } = readMemory(pid);
  printFigure(
    label,
    Number.isNaN(now)
      ? "not reported by this system"
      : `${now.toFixed(0)} MiB, at most ${most.toFixed(0)} MiB`,
  );
}

/** Empty where there is no such file, as of a process that has ended, or on another system. */
function readIfPresent(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
