import { expect, test } from "vitest";
import { titleOf } from "../../../src/backend/runs/actions/evaluate";

test("results name the grammar where it was read in place of files that were not found", () => {
  const options = { text: ["none/*.txt", "b.txt"], fallback: "grammar" };
  expect(titleOf(options, { floor: 1.5 })).toBe("grammar");
  expect(titleOf(options, { floor: undefined })).toBe("none/*.txt, b.txt");
});
