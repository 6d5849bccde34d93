/**
 * The energy of a run and its footprint in carbon and water. Read from the processor's counters where possible
 * (Intel's and AMD's RAPL through Linux's powercap), otherwise estimated from processor time. The method reports its
 * assumptions.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunEnergy } from "../../../protocol/run";

/** A busy core with its share of memory and fans: about 200 W for a server with 20 busy cores. */
const wattsPerCore = 10;
/** World average of 2023, Ember, Global Electricity Review 2024. */
const gramsPerKwh = 480;
/**
 * Water that evaporates on site in an average data center of the United States, Lawrence Berkeley National Laboratory
 * 2016.
 */
const litresPerKwh = 1.8;
const joulesPerKwh = 3.6e6;
/** The counters of a busy package wrap around in about half an hour. */
const secondsBetweenReadings = 60;

interface Counter {
  readonly file: string;
  /** Microjoules at which the counter wraps around to zero. */
  readonly range: number;
  last: number;
}

export class EnergyMeter implements Disposable {
  readonly #counters: readonly Counter[];
  readonly #timer: NodeJS.Timeout;
  readonly #begun = process.cpuUsage();
  #microjoules = 0;

  /** `before` is the energy of earlier processes of the same run. */
  constructor(
    private readonly before: RunEnergy | undefined,
    private readonly environment: NodeJS.ProcessEnv = process.env,
    counters = "/sys/class/powercap",
  ) {
    this.#counters = listPackageCounters(counters);
    this.#timer = setInterval(() => this.#read(), 1000 * secondsBetweenReadings);
    this.#timer.unref();
  }

  /** The total so far. */
  get energy(): RunEnergy {
    const measured = this.#read();
    const watts = this.#number("LATHE_WATTS_PER_CORE", wattsPerCore);
    const { user, system } = process.cpuUsage(this.#begun);
    const joules = measured ? this.#microjoules / 1e6 : ((user + system) / 1e6) * watts;
    const kwh = (this.before?.kwh ?? 0) + joules / joulesPerKwh;
    const grams = this.#number("LATHE_GRID_GRAMS_PER_KWH", gramsPerKwh);
    const litres = this.#number("LATHE_WATER_LITRES_PER_KWH", litresPerKwh);
    const how = measured && this.before?.how !== "estimated" ? ("measured" as const) : ("estimated" as const);
    return {
      kwh,
      co2_grams: kwh * grams,
      water_litres: kwh * litres,
      how,
      assumptions:
        (measured
          ? "the processor package counters, including other work on the machine"
          : `${watts} W for each core that was busy with it, since no processor counter is readable`) +
        `; ${grams} g of CO2 and ${litres} l of water per kWh; graphics cards are not counted`,
    };
  }

  #number(name: string, defaultValue: number): number {
    const value = Number(this.environment[name]);
    return Number.isFinite(value) && value > 0 ? value : defaultValue;
  }

  /** False if nothing can be read. */
  #read(): boolean {
    for (const counter of this.#counters) {
      const reading = readNumber(counter.file);
      if (reading === undefined) return false;
      this.#microjoules +=
        reading >= counter.last ? reading - counter.last : reading + counter.range - counter.last;
      counter.last = reading;
    }
    return this.#counters.length > 0;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Whole packages only: the counters of their parts are nested below them. */
function listPackageCounters(folder: string): Counter[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return []; // Not Linux, or no such counters.
  }
  return names
    .filter((name) => /^intel-rapl:\d+$/.test(name))
    .flatMap((name) => {
      const file = join(folder, name, "energy_uj");
      const [last, range] = [readNumber(file), readNumber(join(folder, name, "max_energy_range_uj"))];
      return last === undefined || range === undefined ? [] : [{ file, range, last }];
    });
}

function readNumber(file: string): number | undefined {
  try {
    const value = Number(readFileSync(file, "utf8"));
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined; // Usually readable by the administrator only.
  }
}
