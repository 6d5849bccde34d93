/** System load during a run: processor, memory and any NVIDIA graphics cards. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { currentLoad, mem } from "systeminformation";

export type SystemReading = Record<`${"system" | "gpu"}/${string}`, number>;

const gigabyte = 1e9;
const execute = promisify(execFile);

/** The requested columns in order, with the factor that converts nvidia-smi's unit to Lathe's. */
const gpuColumns = [
  { query: "utilization.gpu", name: "utilization", factor: 1 },
  { query: "memory.used", name: "memory_gb", factor: (1024 * 1024) / gigabyte },
  { query: "power.draw", name: "power", factor: 1 },
  { query: "temperature.gpu", name: "temperature", factor: 1 },
] as const;

/** A card that does not report a value prints `[N/A]`, which is left out. */
export function parseGpus(csv: string): SystemReading {
  const reading: SystemReading = {};
  for (const [card, row] of csv.trim().split("\n").entries()) {
    const cells = row.split(",").map((cell) => Number.parseFloat(cell));
    for (const [column, { name, factor }] of gpuColumns.entries()) {
      const value = cells[column];
      if (value !== undefined && Number.isFinite(value)) reading[`gpu/${card}/${name}`] = value * factor;
    }
  }
  return reading;
}

/**
 * Read from nvidia-smi: the library's query for graphics cards blocks the thread, takes long, and omits idle cards.
 */
async function readGpus(): Promise<SystemReading> {
  const query = `--query-gpu=${gpuColumns.map((column) => column.query).join(",")}`;
  const options = { timeout: 5000, windowsHide: true };
  const { stdout } = await execute("nvidia-smi", [query, "--format=csv,noheader,nounits"], options);
  return parseGpus(stdout);
}

async function readMachine(): Promise<SystemReading> {
  const [load, memory] = await Promise.all([currentLoad(), mem()]);
  return {
    "system/cpu": load.currentLoad,
    "system/memory_gb": (memory.total - memory.available) / gigabyte,
    "system/process_memory_gb": process.memoryUsage.rss() / gigabyte,
  };
}

interface Source {
  readonly read: () => Promise<SystemReading>;
  failures: number;
}

/** Consecutive failures after which a source is no longer read. */
const maxFailures = 3;

async function readSource(source: Source): Promise<SystemReading> {
  try {
    const reading = await source.read();
    source.failures = 0;
    return reading;
  } catch (thrown) {
    // A missing program stays missing; other failures may be temporary.
    source.failures += (thrown as NodeJS.ErrnoException).code === "ENOENT" ? maxFailures : 1;
    return {};
  }
}

export class SystemMetrics implements Disposable {
  private readonly timer: NodeJS.Timeout;
  private sources: Source[] = [readMachine, readGpus].map((read) => ({ read, failures: 0 }));
  private busy = false;
  private ended = false;

  constructor(
    private readonly report: (reading: SystemReading) => void,
    milliseconds = 5000,
  ) {
    this.timer = setInterval(() => void this.read(), milliseconds);
    this.timer.unref();
    void this.read();
  }

  private async read(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    const readings = await Promise.all(this.sources.map(readSource));
    this.busy = false;
    this.sources = this.sources.filter(({ failures }) => failures < maxFailures);
    if (this.sources.length === 0) clearInterval(this.timer);
    const reading = Object.assign({}, ...readings) as SystemReading;
    if (Object.keys(reading).length > 0 && !this.ended) this.report(reading);
  }

  [Symbol.dispose](): void {
    this.ended = true;
    clearInterval(this.timer);
  }
}
