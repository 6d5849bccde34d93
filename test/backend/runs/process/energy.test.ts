/** The energy of a run: from counters that wrap around, or from CPU time and an assumed power. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { EnergyMeter } from "../../../../src/backend/runs/process/energy";

const folder = mkdtempSync(join(tmpdir(), "lathe-energy-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function counter(name: string, microjoules: number, range = 1_000_000_000): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, "energy_uj"), `${microjoules}\n`);
  writeFileSync(join(folder, name, "max_energy_range_uj"), `${range}\n`);
}

it("adds up the counters of all packages, even if one wraps around, without their subdomains", () => {
  counter("intel-rapl:0", 100);
  counter("intel-rapl:1", 999_999_000);
  counter("intel-rapl:0:0", 5);
  using meter = new EnergyMeter(undefined, {}, folder);
  counter("intel-rapl:0", 7_200_000_100, 1e12);
  counter("intel-rapl:1", 500);
  counter("intel-rapl:0:0", 900_000_000);
  const { kwh, co2_grams, how, assumptions } = meter.energy;
  // 7,200 J, and 1,500 µJ past the end of the range.
  expect(kwh).toBeCloseTo((7200 + 0.0015) / 3.6e6, 12);
  expect(co2_grams).toBeCloseTo(480 * kwh, 9);
  expect(how).toBe("measured");
  expect(assumptions).toContain("counters");
  expect(meter.energy.kwh).toBe(kwh);
});

it("is estimated from CPU time and the environment's power if no counter can be read, and added to earlier energy", () => {
  const settings = {
    LATHE_WATTS_PER_CORE: "20",
    LATHE_GRID_GRAMS_PER_KWH: "50",
    LATHE_WATER_LITRES_PER_KWH: "3",
  };
  const before = { kwh: 2, co2_grams: 1, water_litres: 1, how: "measured", assumptions: "" } as const;
  using meter = new EnergyMeter(before, settings, join(folder, "nothing"));
  const begun = process.cpuUsage();
  let sum = 0;
  for (let i = 0; process.cpuUsage(begun).user < 50_000; i++) sum += Math.sqrt(i);
  expect(sum).toBeGreaterThan(0);
  const { kwh, co2_grams, water_litres, how, assumptions } = meter.energy;
  expect(kwh).toBeGreaterThan(2 + (0.05 * 20) / 3.6e6 - 1e-12);
  expect(kwh).toBeLessThan(2.01);
  expect(co2_grams).toBeCloseTo(50 * kwh, 9);
  expect(water_litres).toBeCloseTo(3 * kwh, 9);
  expect(how).toBe("estimated");
  expect(assumptions).toContain("20 W for each core");
});
