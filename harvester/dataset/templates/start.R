# Start with $title
#
# Run this in the folder of the release: Rscript start.R. It needs R alone; START.ipynb does the same in Python.

table <- read.csv("$csv", na.strings = "", fileEncoding = "UTF-8"$r_read)
cat(format(nrow(table), big.mark = ","), "rows of $table\n")

# $question
# $weights
# $error
rows <- table[$r_needed, ]
value <- as.numeric($r_value)
weight <- $r_weight
share <- sum(weight * value) / sum(weight)
part <- weight * (value - share) / sum(weight)
$r_draws$r_error
cat(sprintf("%.4f with a standard error of %.4f: 95%% interval %.4f to %.4f\n",
            share, error, share - 1.96 * error, share + 1.96 * error))

# Rows by $plotted, each counted by its weight. Without a window the plot goes to a file.
rows <- table[$r_shown, ]
bars <- tapply($r_weight, $r_groups, sum)
if (!interactive()) pdf(file.path(tempdir(), "start.pdf"))
if (length(bars) > 0) barplot(bars, main = "$plot_title", xlab = "$plotted", ylab = "rows, weighted")
