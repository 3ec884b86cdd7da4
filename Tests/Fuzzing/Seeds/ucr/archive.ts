# a comment
@problemName P
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength true
@seriesLength 3
@classLabel true a b
@data
1,2,3:4,5,6:a
0,0,1:1,0,0:b
2,2,2:3,3,3:a
