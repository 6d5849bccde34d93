/**
 * What a run takes from the socket and what that means in carbon and water: by the processor's own counters where they can be
 * read (Intel's and AMD's RAPL through Linux's powercap), else from the processor time that it had, with what is assumed told.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunEnergy } from "../../../protocol/run";

/** A core at work, with its share of memory and fans: about 200 W of a server with 20 busy cores. */
const wattsPerCore = 10;
/** World average of 2023, Ember, Global Electricity Review 2024. */
const gramsPerKwh = 480;
/** Water that evaporates on site in an average data centre of the United States, Lawrence Berkeley National Laboratory 2016. */
const litresPerKwh = 1.8;
const joulesPerKwh = 3.6e6;
/** Counters of a busy package come round in about half an hour. */
const secondsBetweenReadings = 60;

interface Counter {
  readonly file: string;
  /** Microjoules after which it begins again at zero. */
  readonly range: number;
  last: number;
}

export class EnergyMeter implements Disposable {
  readonly #counters: readonly Counter[];
  readonly #timer: NodeJS.Timeout;
  readonly #begun = process.cpuUsage();
  #microjoules = 0;

  /** `before` is what an earlier process of the same run took. */
  constructor(
    private readonly before: RunEnergy | undefined,
    private readonly environment: NodeJS.ProcessEnv = process.env,
    counters = "/sys/class/powercap",
  ) {
    this.#counters = packageCounters(counters);
    this.#timer = setInterval(() => this.#read(), 1000 * secondsBetweenReadings);
    this.#timer.unref();
  }

  /** Everything so far. */
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
          ? "the processor packages' own counters, whatever else they did meanwhile"
          : `${watts} W for each core that was busy with it, since no counter of the processor can be read`) +
        `; ${grams} g of CO2 and ${litres} l of water a kWh; graphics cards are not counted`,
    };
  }

  #number(name: string, usual: number): number {
    const given = Number(this.environment[name]);
    return Number.isFinite(given) && given > 0 ? given : usual;
  }

  /** False where nothing can be read. */
  #read(): boolean {
    for (const counter of this.#counters) {
      const now = numberIn(counter.file);
      if (now === undefined) return false;
      this.#microjoules += now >= counter.last ? now - counter.last : now + counter.range - counter.last;
      counter.last = now;
    }
    return this.#counters.length > 0;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Whole packages, whose parts have counters of their own below them. */
function packageCounters(folder: string): Counter[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return []; // Another system than Linux, or one without such counters.
  }
  return names
    .filter((name) => /^intel-rapl:\d+$/.test(name))
    .flatMap((name) => {
      const file = join(folder, name, "energy_uj");
      const [last, range] = [numberIn(file), numberIn(join(folder, name, "max_energy_range_uj"))];
      return last === undefined || range === undefined ? [] : [{ file, range, last }];
    });
}

function numberIn(file: string): number | undefined {
  try {
    const value = Number(readFileSync(file, "utf8"));
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined; // Mostly readable by the administrator alone.
  }
}
