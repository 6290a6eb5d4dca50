// One repaint per frame, however often it is asked for.

/** Return a function that has `paint` run before the next frame, once. */
export function onNextFrame(paint) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      paint();
    });
  };
}
