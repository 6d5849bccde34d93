/** When the backend service may be started anew after a crash, and when that would only go round in circles. */

export interface RestartPolicy {
  /** Notes a crash at that time in milliseconds, and says how long to wait before the next start. */
  crashed(at: number): { readonly again: true; readonly delay: number } | { readonly again: false };
  /** Forgets all crashes: somebody has mended what was wrong. */
  forget(): void;
}

/** A few crashes in a minute are one too many: something is wrong that another start does not mend. */
export function restartPolicy({ most = 4, within = 60_000 } = {}): RestartPolicy {
  let crashes: number[] = [];
  return {
    crashed(at) {
      crashes = [...crashes.filter((each) => at - each < within), at];
      if (crashes.length >= most) return { again: false };
      return { again: true, delay: 250 * 2 ** (crashes.length - 1) };
    },
    forget() {
      crashes = [];
    },
  };
}
