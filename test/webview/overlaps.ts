/** Finds controls of a page's toolbars that cover each other or are outside of the window. */
import type { TestPage } from "./pageHarness";

export function findOverlaps(page: TestPage): Promise<string[]> {
  return page.page.evaluate<string[]>(`(() => {
    const controls = [...document.querySelectorAll(".toolbar > *, .actions > *, .toolbar .switch, .toolbar input, .toolbar select")];
    const boxes = controls.map((each) => [each, each.getBoundingClientRect()]).filter(([, { width, height }]) => width > 0 && height > 0);
    const describe = (each) => each.className + " " + each.textContent.trim().slice(0, 30);
    const found = [];
    for (const [a, first] of boxes) {
      if (first.right > innerWidth + 1 || first.left < -1) found.push("outside: " + describe(a));
      for (const [b, second] of boxes) {
        if (a === b || a.contains(b) || b.contains(a)) continue;
        const [x, y] = [Math.min(first.right, second.right) - Math.max(first.left, second.left), Math.min(first.bottom, second.bottom) - Math.max(first.top, second.top)];
        if (x > 1 && y > 1) found.push(describe(a) + " over " + describe(b));
      }
    }
    return found;
  })()`);
}
