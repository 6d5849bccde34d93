/** Checks that every formula of PyTorch is that of a measured case, and is defined. */
import { expect, it } from "vitest";
import { getCaseTitle, listOneShotCases } from "../../../src/backend/bench/oneShot";
import { referenceOf, referenceProgram } from "../../../src/backend/bench/oneShotReference";

it("each reference belongs to a measured case and is a function of the program", () => {
  const titles = listOneShotCases().map(getCaseTitle);
  for (const [title, name] of Object.entries(referenceOf)) {
    expect(titles).toContain(title);
    expect(referenceProgram).toContain(`\ndef ${name}():\n`);
  }
});
