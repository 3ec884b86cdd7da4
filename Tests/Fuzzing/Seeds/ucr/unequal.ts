@univariate true
@classLabel true x y
@data
1,2,3,4:x
5:y
6,7:x
8,9,1:y
