/** Unknown names in a paper cell: the card would silently omit what they refer to. */
import type { WorkbenchError } from "../../protocol/errors";
import { listVariantNames } from "./branches";
import type { Experiment, Path } from "./experiment";
import { createFault, createUnknownWordFault } from "./faults";
import { isMap } from "./plainMap";
import { listScaleNames } from "./scales";

export function findPaperFaults(experiment: Experiment): WorkbenchError[] {
  const { paper } = experiment.declarations;
  if (paper === undefined || !isMap(paper.value)) return [];
  const { published, questions, controls, baseline, scale } = paper.value;
  const variants = listVariantNames(experiment);
  const faults: WorkbenchError[] = [];
  const check = (kind: string, name: unknown, path: Path, names: readonly string[]) => {
    // The file of a single run is a part of its experiment, and its paper may name the other parts.
    if (typeof name !== "string" || names.includes(name) || (kind === "variant" && names.length < 2)) return;
    const place = paper.find(path) ?? paper.find([], "key")!;
    faults.push(createUnknownWordFault(place, kind, name, names, ` in paper.${path.join(".")}`));
  };
  const entries = (value: unknown) => (Array.isArray(value) ? (value as unknown[]) : []);
  // A point of a sweep is named by its variant with the swept values in brackets.
  const getVariant = (name: unknown) => (typeof name === "string" ? name.replace(/ \(.*\)$/, "") : name);
  entries(published).forEach((entry, index) => {
    if (!isMap(entry)) return;
    check("variant", getVariant(entry.variant), ["published", index, "variant"], variants);
    if (!String(entry.quantity).endsWith("_percent") || baseline !== undefined) return;
    const place = paper.find(["published", index, "quantity"]);
    if (place !== undefined)
      faults.push(
        createFault(
          place,
          `${String(entry.quantity)} refers to a baseline. Name its variant in paper.baseline.`,
        ),
      );
  });
  entries(questions).forEach((entry, index) => {
    if (!isMap(entry)) return;
    for (const key of ["variant", "against"])
      check("variant", getVariant(entry[key]), ["questions", index, key], variants);
  });
  entries(controls).forEach((entry, index) => {
    if (isMap(entry)) check("variant", entry.variant, ["controls", index, "variant"], variants);
  });
  check("variant", baseline, ["baseline"], variants);
  check("scale", scale, ["scale"], listScaleNames(experiment));
  return faults;
}
