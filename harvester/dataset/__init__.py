"""Research datasets: how they are drawn, what is left out of them, how they are written and described."""
