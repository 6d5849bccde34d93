/** As much of a heading as fits its picture; the picture's title has all of it. */
export function shortenHeading(text: string, width: number): string {
  const maxLength = Math.floor(width / characterWidth);
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
}

/** Average width of a heading's character in pixels. */
const characterWidth = 7.2;

/** A name without its middle where it is too long: its end distinguishes it. */
export function shortenMiddle(text: string, width: number): string {
  const maxLength = Math.max(4, Math.floor(width / characterWidth));
  if (text.length <= maxLength) return text;
  const end = Math.ceil((maxLength - 1) / 2);
  return `${text.slice(0, maxLength - 1 - end)}…${text.slice(-end)}`;
}
