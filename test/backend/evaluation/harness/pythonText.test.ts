import { expect, it } from "vitest";
import { capitalize, splitAtSpaces, strip } from "../../../../src/backend/evaluation/harness/pythonText";

// What CPython prints for str.capitalize().
it.each([
  ["then SHE ran", "Then she ran"],
  ["élan", "Élan"],
  ["ßtraße", "Sstraße"],
  ["ǆabc", "ǅabc"],
  ["ﬁn", "Fin"],
  ["9 LIVES", "9 lives"],
  ["", ""],
])("capitalizes %j as Python does", (text, wanted) => {
  expect(capitalize(text)).toBe(wanted);
});

it("counts the blanks of Python, not those of JavaScript", () => {
  expect(strip("\u001f\u0085 a\u00a0b \u3000\n")).toBe("a\u00a0b");
  expect(strip("\ufeffa\ufeff")).toBe("\ufeffa\ufeff");
  expect(splitAtSpaces(" a\u0085b  c\n")).toEqual(["", "a", "b", "c", ""]);
});
