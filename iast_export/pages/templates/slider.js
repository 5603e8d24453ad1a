"use strict";
// Moves the handle of a slider to where its range stands.
function follow(box) {
  const range = box.querySelector("input");
  const move = () => {
    box.style.setProperty("--at", range.value + "%");
    const [left, right] = [...box.querySelectorAll(".tag")].map((tag) => tag.textContent);
    range.setAttribute("aria-valuetext", range.value + " % " + left + ", the rest " + right);
  };
  range.addEventListener("input", move);
  move();
}
document.querySelectorAll(".slider").forEach(follow);
