# The corrected share of every code and its 95 % interval, from design.csv and cells.csv. Base R.
design <- read.csv("design.csv", colClasses = c(machine = "character", code = "character", dimension = "character"), encoding = "UTF-8")
cells <- read.csv("cells.csv", colClasses = c(machine = "character", code = "character", dimension = "character"), encoding = "UTF-8")
cat("dimension,code,corrected,low,high\n")
codes <- unique(cells[c("dimension", "code")])
for (i in seq_len(nrow(codes))) {
  dimension <- codes$dimension[i]; code <- codes$code[i]
  several <- cells[cells$dimension == dimension & cells$code == code, ]
  mine <- design[design$dimension == dimension & design$code == code, ]
  share <- 0; below <- 0; above <- 0; parts <- NULL
  for (j in seq_len(nrow(several))) {
    size <- several$population[j]; W <- size / sum(several$population)
    said <- mine[mine$cell == several$cell[j], ]
    y <- said$applies; w <- 1 / said$inclusion; n <- length(y)
    if (n == 0) { # nobody looked: from 0 to 1, at the machine's word
      p <- as.numeric(several$machine[j] %in% c("1", code))
      share <- share + W * p; below <- below + (W * p)^2; above <- above + (W * (1 - p))^2
      next
    }
    p <- sum(w * y) / sum(w); share <- share + W * p
    if (n == size) next # everybody looked: known
    v <- if (n > 1 && p > 0 && p < 1) n / (n - 1) * sum((1 - said$inclusion) * w^2 * (y - p)^2) / sum(w)^2 else 0
    K <- sum(w)^2 / sum(w^2) / (1 - n / size)
    parts <- rbind(parts, data.frame(label = several$machine[j], W = W, p = p, v = v, K = K))
  }
  for (label in unique(parts$label)) { # one pair of limits for each machine label
    s <- parts[parts$label == label, ]; W <- sum(s$W); a <- s$W / W
    p <- sum(a * s$p); v <- sum(a^2 * s$v); K <- 1 / sum(a^2 / s$K)
    n <- if (v > 0) min(p * (1 - p) / v, K) else K
    low <- if (p > 0) qbeta(.025, n * p + .5, n * (1 - p) + .5) else 0
    high <- if (p < 1) qbeta(.975, n * p + .5, n * (1 - p) + .5) else 1
    below <- below + (W * (p - low))^2; above <- above + (W * (high - p))^2
  }
  cat(sprintf("%s,%s,%.12f,%.12f,%.12f\n", dimension, code, share, max(share - sqrt(below), 0), min(share + sqrt(above), 1)))
}
