/** Where a menu opens: below its button, and inside the window. */
export function placeBelow(menu: HTMLElement, button: HTMLElement): void {
  const { left, right, bottom } = button.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  menu.style.top = `${bottom + 4}px`;
  if (left > width / 2) Object.assign(menu.style, { left: "auto", right: `${width - right}px` });
  else Object.assign(menu.style, { left: `${left}px`, right: "auto" });
}
