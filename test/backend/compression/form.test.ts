import { expect, test } from "vitest";
import { fillForm } from "../../../src/backend/compression/form";

interface Options {
  readonly as: "improved" | "published";
  readonly grid?: "search" | "minmax" | undefined;
  readonly calibration: { readonly samples: number; readonly outputs?: "original" | "local" | undefined };
}
const forms = {
  improved: { grid: "search", calibration: { samples: 0, outputs: "original" } },
  published: { grid: "minmax", calibration: { samples: 0, outputs: "local" } },
} as const;

test("a form fills in only what is left out, also inside of other options", () => {
  const fill = (options: Options) => fillForm(options, forms);
  expect(fill({ as: "improved", calibration: { samples: 8 } })).toStrictEqual({
    as: "improved",
    grid: "search",
    calibration: { samples: 8, outputs: "original" },
  });
  expect(fill({ as: "published", grid: "search", calibration: { samples: 8 } })).toStrictEqual({
    as: "published",
    grid: "search",
    calibration: { samples: 8, outputs: "local" },
  });
  expect(
    fill({ as: "published", grid: undefined, calibration: { samples: 8, outputs: "original" } }),
  ).toStrictEqual({
    as: "published",
    grid: "minmax",
    calibration: { samples: 8, outputs: "original" },
  });
});
